import type { Clock } from '../../kernel/index.js'

/**
 * TLS takes early data up to a minute before or after the time that its client claims (BoringSSL's limit on the skew of
 * a ticket's age), so a copy of what it took may be taken for two minutes.
 */
export const REPLAY_MS = 120_000
/** Flights with early data that are taken in that time; the early data of further ones waits for the handshake. */
export const MAX_FLIGHTS = 8_192

/**
 * Remembers which first flights have had their early data taken, so that a copy of one is not (RFC 8446 §8.2). A flight
 * is known by the destination id that the client has made up: early data cannot be decrypted under another.
 */
export class ReplayWindow {
  #recent = new Set<string>()
  #older = new Set<string>()
  #since: number

  constructor(private readonly clock: Clock) {
    this.#since = clock.monotonic()
  }

  /** True for a flight that is new, once. */
  claim(flight: string): boolean {
    const now = this.clock.monotonic()
    if (now - this.#since >= REPLAY_MS) {
      this.#older = now - this.#since < 2 * REPLAY_MS ? this.#recent : new Set()
      this.#recent = new Set()
      this.#since = now
    }
    if (this.#recent.size >= MAX_FLIGHTS || this.#recent.has(flight) || this.#older.has(flight)) return false
    this.#recent.add(flight)
    return true
  }
}
