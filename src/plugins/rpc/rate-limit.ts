import type { Clock, Rate } from '../../kernel/index.js'

/** Callers that are remembered by a rate limit; beyond, the one that has been quiet longest is forgotten. */
export const MAX_BUCKETS = 10_000

/**
 * A token bucket for each key. A bucket is one number: when it will be full again (the generic cell rate algorithm of
 * ITU-T I.371). So it needs no timer, and one that is full is forgotten.
 */
export class RateLimit {
  readonly #fullAt = new Map<string, number>()
  readonly #tokenMs: number
  readonly #burstMs: number

  constructor(
    private readonly clock: Pick<Clock, 'monotonic'>,
    { perSecond, burst = Math.max(1, perSecond) }: Rate
  ) {
    this.#tokenMs = 1000 / perSecond
    this.#burstMs = burst * this.#tokenMs
  }

  /** Buckets that are kept. */
  get size(): number {
    return this.#fullAt.size
  }

  /** Milliseconds until there is a token; 0 if there is one. */
  waitMs(key: string): number {
    const now = this.clock.monotonic()
    const fullAt = Math.max(this.#fullAt.get(key) ?? 0, now)
    // A hair's breadth of rounding must not cost a whole token.
    const waitMs = fullAt + this.#tokenMs - this.#burstMs - now
    return waitMs < 1e-6 ? 0 : waitMs
  }

  /** Takes a token; only when there is one. */
  take(key: string): void {
    const now = this.clock.monotonic()
    const fullAt = Math.max(this.#fullAt.get(key) ?? 0, now) + this.#tokenMs
    this.#forgetFull(now)
    // Behind all others, so that those in front are the ones that have been quiet longest.
    this.#fullAt.delete(key)
    if (this.#fullAt.size >= MAX_BUCKETS) this.#fullAt.delete(this.#fullAt.keys().next().value as string)
    this.#fullAt.set(key, fullAt)
  }

  /** Looks at two for each that may be added, so that the full ones go away however many there are. */
  #forgetFull(now: number): void {
    let looks = 2
    for (const [key, fullAt] of this.#fullAt) {
      if (looks-- === 0 || fullAt > now) return
      this.#fullAt.delete(key)
    }
  }
}
