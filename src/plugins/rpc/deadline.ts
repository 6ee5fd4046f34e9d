import { InvalidInputError, type CallTimer, type TimerLike } from '../../kernel/index.js'
import type { Deadlines, Expiring } from './deadlines.js'

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

/** The time that a call may take, from now on. It is watched from `arm` to `clear`, unless it is unlimited. */
export class Deadline implements CallTimer, Expiring {
  place = -1
  readonly #startedAt: number
  #timeoutMs: number

  constructor(
    protected readonly deadlines: Deadlines,
    timeoutMs: number,
    private readonly onExpired?: () => void
  ) {
    this.#startedAt = deadlines.now()
    this.#timeoutMs = timeoutMs
  }

  get timeoutMs(): number {
    return this.#timeoutMs
  }

  /** Another limit, counted from the same start. */
  set timeoutMs(timeoutMs: number) {
    if (timeoutMs === this.#timeoutMs) return
    const armed = this.place >= 0
    if (armed) this.clear()
    this.#timeoutMs = timeoutMs
    if (armed) this.arm()
  }

  get due(): number {
    return this.#startedAt + this.#timeoutMs
  }

  getTimeout(): number {
    return Math.max(0, this.#timeoutMs - this.elapsedMs)
  }

  get elapsedMs(): number {
    return this.deadlines.now() - this.#startedAt
  }

  /** Begins to watch the time. Expires in a later turn at the earliest. */
  arm(): void {
    if (this.place < 0 && this.#timeoutMs !== Infinity) this.deadlines.add(this)
  }

  clear(): void {
    this.deadlines.remove(this)
  }

  expire(): void {
    this.onExpired?.()
  }
}
