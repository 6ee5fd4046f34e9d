import { InvalidInputError, type CallTimer, type Clock, type ClockTimer, type TimerLike } from '../../kernel/index.js'

/** Milliseconds in a caller's `timer`; Infinity without one. Throws `ERR_INVALID_INPUT`. */
export function timerLimit(timer: number | TimerLike | undefined): number {
  if (timer === undefined) return Infinity
  const ms: unknown = typeof timer === 'number' ? timer : (timer as Partial<TimerLike> | null)?.getTimeout?.()
  if (typeof ms !== 'number' || Number.isNaN(ms)) {
    throw new InvalidInputError('timer must be a number of milliseconds, or have a getTimeout() that returns one')
  }
  return Math.max(0, ms)
}

/**
 * The limit that an input carries in its own `metadata.timeout`, as calls of @matrixai/rpc do; Infinity if it carries
 * none. An input may have a `metadata` that means something else, so whatever is no duration is passed over.
 */
export function inputLimit(input: unknown): number {
  const timeout = (input as { metadata?: { timeout?: unknown } | null } | null | undefined)?.metadata?.timeout
  return typeof timeout === 'number' && timeout >= 0 ? timeout : Infinity
}

/** The time that a call may take, from now on. One timer, none if the time is unlimited. */
export class Deadline implements CallTimer {
  readonly #startedAt: number
  #timeoutMs: number
  #timer: ClockTimer | undefined

  constructor(
    private readonly clock: Clock,
    timeoutMs: number,
    private readonly onExpired: () => void
  ) {
    this.#startedAt = clock.monotonic()
    this.#timeoutMs = timeoutMs
  }

  get timeoutMs(): number {
    return this.#timeoutMs
  }

  getTimeout(): number {
    return Math.max(0, this.#timeoutMs - this.elapsedMs)
  }

  get elapsedMs(): number {
    return this.clock.monotonic() - this.#startedAt
  }

  /** Another limit, counted from the same start. */
  set timeoutMs(timeoutMs: number) {
    if (timeoutMs === this.#timeoutMs) return
    this.#timeoutMs = timeoutMs
    if (this.#timer !== undefined) this.arm()
  }

  /** Begins to watch the time. Expires in a later turn at the earliest. */
  arm(): void {
    this.clear()
    if (this.#timeoutMs === Infinity) return
    this.#timer = this.clock.setTimeout(() => {
      // A platform's timers fire early when the delay is beyond their range; fractions of a millisecond do not matter.
      if (this.getTimeout() >= 1) this.arm()
      else this.onExpired()
    }, this.getTimeout())
  }

  clear(): void {
    this.#timer?.clear()
    this.#timer = undefined
  }
}
