import { messageOf, systemClock, withDeadline, type Clock } from '../kernel/index.js'
import { VirtualClock } from './virtual-clock.js'

/** What one thing may take to stop, in milliseconds of the machine's clock. */
export const STOP_TIMEOUT_MS = 5_000

/** Anything that stops: a `Node`, a `Kernel`, a test network. Stopping twice must be harmless. */
export interface Stoppable {
  stop(): Promise<unknown>
}

interface Registered {
  readonly name: string
  readonly clock: Clock | undefined
}

const running = new Map<Stoppable, Registered>()

/**
 * Has something stopped after the present test, and gives it back. `name` says what it is when it fails to stop. Give
 * the `clock` if its time is virtual, so that time goes on while it stops.
 *
 * It happens when `stopAll` is called: by mocha with `--require peerloom/testkit/mocha`, by other runners with
 * `afterEach(stopAll)`. Networks of `createTestNetwork` are registered already.
 *
 * @example
 * const node = stopAfterTest(await createNode())
 */
export function stopAfterTest<T extends Stoppable>(thing: T, options: { name?: string; clock?: Clock } = {}): T {
  running.set(thing, { name: options.name ?? thing.constructor.name, clock: options.clock })
  return thing
}

/** Something has been stopped already. */
export function stopped(thing: Stoppable): void {
  running.delete(thing)
}

/**
 * Stops whatever was registered and still runs, the latest first, each within {@link STOP_TIMEOUT_MS}. One that fails
 * keeps no other from stopping; then an error is thrown that names each, with all causes in `errors`.
 *
 * @example
 * // vitest, jest, node:test
 * import { stopAll } from 'peerloom/testkit'
 * afterEach(stopAll)
 */
export async function stopAll(): Promise<void> {
  const failures: Error[] = []
  const things = [...running].reverse()
  running.clear()
  for (const [thing, { name, clock }] of things) {
    try {
      await withDeadline(systemClock, STOP_TIMEOUT_MS, () => {
        const stopping = thing.stop()
        return clock instanceof VirtualClock ? clock.until(stopping) : stopping
      })
    } catch (cause) {
      failures.push(new Error(`${name} did not stop: ${messageOf(cause)}`, { cause }))
    }
  }
  if (failures.length > 0) throw new AggregateError(failures, failures.map(messageOf).join('; '))
}
