import { createNode, systemClock, telemetry, type Contact } from '../index.js'
import { aborted, untilInterrupted } from './signals.js'

export interface StartFlags {
  readonly data?: string
  readonly host?: string
  readonly port?: number
  readonly seed: readonly Contact[]
  readonly json?: boolean
}

/** What is worth a line on a terminal; `--json` has everything. */
const SHOWN = ['connection.', 'routing.', 'node.warning', 'connect.failed']

/** Runs a node until Ctrl-C or SIGTERM. */
export async function start(flags: StartFlags): Promise<void> {
  const { signal, release } = untilInterrupted()
  const print = (line: string): void => void process.stdout.write(`${line}\n`)
  try {
    const node = await createNode({
      signal,
      seeds: flags.seed,
      plugins: [telemetry.with({ write: print, ...(flags.json === true ? { format: 'json' } : { only: SHOWN }) })],
      ...(flags.data === undefined ? {} : { directory: flags.data }),
      ...(flags.host === undefined ? {} : { host: flags.host }),
      ...(flags.port === undefined ? {} : { port: flags.port })
    })
    const { contact } = node
    print(
      flags.json === true
        ? JSON.stringify({
            type: 'node.ready',
            time: systemClock.now(),
            plugin: 'cli',
            id: node.id,
            contact: contact.toString()
          })
        : `node ${node.id} is ready; others join with\n  peerloom start --seed '${contact.toString()}'\nCtrl-C stops it.`
    )
    await aborted(signal)
    if (flags.json !== true) print('stopping …')
    await node.stop()
  } catch (error) {
    // Whoever pressed Ctrl-C during the start got what they wanted.
    if (!signal.aborted) throw error
  } finally {
    release()
  }
}
