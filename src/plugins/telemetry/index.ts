import * as v from 'valibot'
import { definePlugin, type KernelEvent } from '../../kernel/index.js'
import { toJsonLine, toReadableLine } from './format.js'

const options = v.strictObject({
  /** `readable` for a person, `json` for one JSON object a line. */
  format: v.optional(v.picklist(['readable', 'json']), 'readable'),
  /** Where lines go, without a line end; standard error unless given. */
  write: v.optional(
    v.custom<(line: string) => void>((value) => typeof value === 'function', 'expected a function'),
    () => (line: string) => void process.stderr.write(`${line}\n`)
  ),
  /** Only events whose type begins with one of these, such as `discovery.` or `dial.failed`. All unless given. */
  only: v.optional(v.array(v.string()))
})

export type TelemetryOptions = v.InferInput<typeof options>

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
