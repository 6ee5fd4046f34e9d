import type { Clock, ClockTimer } from '../../kernel/index.js'

/** How often it is looked who uses what: so many times in the time after which a connection counts as unused. */
const LOOKS = 8
const MAX_PERIOD_MS = 15_000

/** Looks now and then at the connections, while there are any: whether they are used, and whether they are worn. */
export class IdleSweep {
  readonly #periodMs: number
  #timer: ClockTimer | undefined

  constructor(
    private readonly look: () => void,
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
        this.look()
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
