import type { Clock, ClockTimer } from '../../kernel/index.js'

export interface Swept {
  /** Looks whether it is still of use, and ends what is not. Returns whether to look again without being asked. */
  look(): boolean
}

/**
 * Ends lanes that nobody uses: as long as a stream is open, its connection counts as used. One timer for a node, and
 * none while every lane has a call.
 */
export class LaneSweep {
  readonly #lanes = new Set<Swept>()
  #timer: ClockTimer | undefined

  /** @param periodMs how often lanes are looked at: one on which no call was made for that long is ended */
  constructor(
    private readonly clock: Clock,
    private readonly periodMs: number,
    /** Told when there are lanes, and when there are none any more. */
    private readonly onUse: (inUse: boolean) => void
  ) {}

  /** In how many looks so many milliseconds pass. */
  looksIn(ms: number): number {
    return Math.ceil(ms / this.periodMs)
  }

  add(lane: Swept): void {
    this.#lanes.add(lane)
    if (this.#lanes.size === 1) this.onUse(true)
  }

  /** Does nothing for what is not there. */
  delete(lane: Swept): void {
    if (!this.#lanes.delete(lane) || this.#lanes.size > 0) return
    this.#timer?.clear()
    this.#timer = undefined
    this.onUse(false)
  }

  /** A lane has no call any more. */
  lookSoon(): void {
    this.#timer ??= this.clock.setTimeout(this.#sweep, this.periodMs)
  }

  readonly #sweep = (): void => {
    this.#timer = undefined
    let again = false
    for (const lane of this.#lanes) if (lane.look()) again = true
    if (again && this.#lanes.size > 0) this.lookSoon()
  }
}
