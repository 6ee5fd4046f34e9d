import { z } from 'zod'
import { definePlugin, type KernelEvent } from '../../kernel/index.js'
import { toJsonLine, toReadableLine } from './format.js'

const options = z.object({
  /** `readable` for a person, `json` for one JSON object a line. */
  format: z.enum(['readable', 'json']).default('readable'),
  /** Where lines go, without a line end; standard error unless given. */
  write: z
    .custom<(line: string) => void>((value) => typeof value === 'function', 'expected a function')
    .default(() => (line: string) => void process.stderr.write(`${line}\n`)),
  /** Only events whose type begins with one of these, such as `discovery.` or `dial.failed`. All unless given. */
  only: z.array(z.string()).optional()
})

export type TelemetryOptions = z.input<typeof options>

/** Writes the kernel's event stream as lines. */
export const telemetry = definePlugin({
  name: 'telemetry',
  config: options,
  start(_, { config: { format, write, only }, events }) {
    const toLine = format === 'json' ? toJsonLine : toReadableLine
    const wanted = (event: KernelEvent): boolean => only?.some((prefix) => event.type.startsWith(prefix)) ?? true
    events.stream.subscribe((event) => {
      if (wanted(event)) write(toLine(event))
    })
  }
})
