import { sleep, systemClock, withDeadline, type Clock } from '../../kernel/index.js'
import type { VirtualClock } from '../virtual-clock.js'

/** Milliseconds after which what was waited for is not expected any more. */
const PATIENCE_MS = 10_000

/** Milliseconds after which a test has failed: longer than any deadline of what is tested. */
const TEST_LIMIT_MS = 120_000

/** Things that live in a time of their own, or in real time. */
export interface Timed {
  /** The virtual time in which they live, which the suite then moves; real time unless given. */
  readonly clock?: VirtualClock | undefined
  /** Stops them; called while the suite moves the clock. A second call does nothing. */
  stop(): Promise<void>
}

/** Runs a test while time goes on, and stops what it was about. */
export async function inTime<T extends Timed>(
  thing: T,
  body: (thing: T, time: TestTime) => Promise<void>
): Promise<void> {
  const { clock = systemClock } = thing
  const run = async (): Promise<void> => {
    try {
      await withDeadline(clock, TEST_LIMIT_MS, () => body(thing, new TestTime(clock)))
    } finally {
      await thing.stop()
    }
  }
  await (thing.clock === undefined ? run() : thing.clock.until(run()))
}

/** Time as a test sees it, virtual or real. */
export class TestTime {
  constructor(readonly clock: Clock) {}

  /** Waits for what no event announces; fails if it does not come true. */
  async until(condition: () => boolean): Promise<void> {
    const begun = this.clock.monotonic()
    while (!condition()) {
      if (this.clock.monotonic() - begun > PATIENCE_MS) {
        throw new Error(`this did not come true: ${condition.toString()}`)
      }
      await sleep(this.clock, 2)
    }
  }

  sleep(ms: number): Promise<void> {
    return sleep(this.clock, ms)
  }
}
