/** Silence is suspicious after this long, or after two round trips if they take longer: to be wrong costs a few probes. */
export const SILENCE_MS = 200
const SILENCE_RTTS = 2
/** How long after a suspicion it is uttered again. */
const AGAIN_MS = 1_000

/** Decides when silence is suspicious: something waits for an acknowledgement, and nothing is heard. Pure. */
export class Suspicion {
  #since = Infinity
  #due = Infinity

  /** When to look; Infinity if nothing is waited for. */
  get due(): number {
    return this.#due
  }

  /** After each turn: whether anything was heard in it, and whether something still waits to be acknowledged. */
  note(now: number, heard: boolean, waiting: boolean): void {
    if (!waiting) {
      this.#due = Infinity
    } else if (heard || this.#due === Infinity) {
      this.#since = now
      this.#due = now + SILENCE_MS
    }
  }

  /** Whether it is time to be suspicious. */
  look(now: number, rttMs: () => number): boolean {
    if (now < this.#due) return false
    const due = this.#since + SILENCE_RTTS * rttMs()
    if (now < due) {
      this.#due = due
      return false
    }
    this.#due = now + AGAIN_MS
    return true
  }
}
