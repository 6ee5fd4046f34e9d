import type { Clock, ClockTimer } from '../../kernel/index.js'

/** How often lanes are looked at: one on which no call was made for that long is ended. */
export const LANE_SWEEP_MS = 1_000

export interface Swept {
  /** Looks whether it is still of use, and ends what is not. */
  look(): void
}

/** Ends lanes that nobody uses: as long as a stream is open, its connection counts as used. One timer for a node. */
export class LaneSweep {
  readonly #lanes = new Set<Swept>()
  #timer: ClockTimer | undefined

  constructor(
    private readonly clock: Clock,
    /** Told when there are lanes, and when there are none any more. */
    private readonly onUse: (inUse: boolean) => void
  ) {}

  add(lane: Swept): void {
    this.#lanes.add(lane)
    if (this.#timer !== undefined) return
    this.#timer = this.clock.setTimeout(this.#sweep, LANE_SWEEP_MS)
    this.onUse(true)
  }

  /** Does nothing for what is not there. */
  delete(lane: Swept): void {
    if (!this.#lanes.delete(lane) || this.#lanes.size > 0) return
    this.#timer?.clear()
    this.#timer = undefined
    this.onUse(false)
  }

  readonly #sweep = (): void => {
    // Before the looks, of which the last may find that there are no lanes any more.
    this.#timer = this.clock.setTimeout(this.#sweep, LANE_SWEEP_MS)
    for (const lane of this.#lanes) lane.look()
  }
}
