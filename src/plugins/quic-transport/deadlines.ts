import type { Clock, ClockTimer } from '../../kernel/index.js'

/** A timer that fires so little early, in milliseconds, is not set again. */
const SLACK_MS = 1

/**
 * When a driver is to be called without a datagram: for the end of its patience with a handshake, to ask for a sign of
 * life, and for whatever is due by quiche or by its ways. One timer stands for all. It would be set anew in every turn;
 * so one that is early is left alone: whoever is called looks again.
 */
export class Deadlines {
  #handshakeDue: number
  #keepAliveDue = Infinity
  #timer: ClockTimer | undefined
  #due = 0
  readonly #fire = (): void => {
    this.#timer = undefined
    this.call()
  }

  constructor(
    private readonly clock: Clock,
    /** 0 for never. */
    private readonly keepAliveMs: number,
    handshakeTimeoutMs: number,
    private readonly call: () => void
  ) {
    this.#handshakeDue = clock.monotonic() + handshakeTimeoutMs
  }

  /** The handshake is done. */
  established(): void {
    this.#handshakeDue = Infinity
  }

  /** The peer was heard at `at`. */
  heard(at: number): void {
    if (this.keepAliveMs > 0) this.#keepAliveDue = at + this.keepAliveMs
  }

  /** Nothing is wanted of the peer any more; what is due otherwise still is. */
  ended(): void {
    this.#handshakeDue = this.#keepAliveDue = Infinity
  }

  /** Whether the handshake has taken too long. True once. */
  handshakeExpired(now: number): boolean {
    if (now < this.#handshakeDue) return false
    this.#handshakeDue = Infinity
    return true
  }

  /** Whether a sign of life is to be asked for. True once in the time between two. */
  wantsSignOfLife(now: number): boolean {
    if (now < this.#keepAliveDue) return false
    this.#keepAliveDue = now + this.keepAliveMs
    return true
  }

  /** Sets the timer to whatever comes first. @param others when something else is due */
  arm(now: number, others: number): void {
    const due = Math.min(others, this.#handshakeDue, this.#keepAliveDue)
    if (due === Infinity) return
    if (this.#timer !== undefined) {
      if (this.#due <= due + SLACK_MS) return
      this.#timer.clear()
    }
    this.#due = due
    this.#timer = this.clock.setTimeout(this.#fire, Math.max(1, due - now))
  }

  clear(): void {
    this.#timer?.clear()
  }
}
