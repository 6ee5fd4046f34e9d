import type { Clock, ClockTimer } from '../../kernel/index.js'
import type { Residence } from './residence.js'

/** How often it is looked who uses what: so many times in the time after which a connection counts as unused. */
const LOOKS = 8
const MAX_PERIOD_MS = 15_000

/** Looks now and then whether connections are used, while there are any. */
export class IdleSweep {
  readonly #periodMs: number
  #timer: ClockTimer | undefined

  constructor(
    private readonly residence: Pick<Residence, 'closeIdle'>,
    private readonly clock: Clock,
    idleMs: number
  ) {
    this.#periodMs = Math.min(idleMs / LOOKS, MAX_PERIOD_MS)
  }

  start(): void {
    this.#timer ??= this.clock.setTimeout(
      () => {
        this.#timer = undefined
        // Before the work, which may close the last connection and stop this.
        this.start()
        this.residence.closeIdle()
      },
      this.#periodMs,
      { background: true }
    )
  }

  stop(): void {
    this.#timer?.clear()
    this.#timer = undefined
  }
}
