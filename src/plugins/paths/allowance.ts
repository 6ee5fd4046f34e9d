/** Something that may be done so many times at once, and again as time goes by (a token bucket). */
export class Allowance {
  #left: number
  #at = -Infinity

  constructor(
    private readonly burst: number,
    private readonly perSecond: number
  ) {
    this.#left = burst
  }

  /** False if it is used up at this time, in milliseconds. */
  take(now: number): boolean {
    const earned = Math.max(0, now - this.#at) * (this.perSecond / 1_000)
    this.#left = Math.min(this.burst, this.#left + earned)
    this.#at = now
    if (this.#left < 1) return false
    this.#left--
    return true
  }
}
