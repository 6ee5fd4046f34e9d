/** When a call is made again. Every attempt is seen by middleware and counts as a call at the peer. */
export interface RetryPolicy {
  /** Attempts in all; 3 unless given. */
  readonly attempts?: number
  /** Milliseconds before the second attempt, doubled before each further one; a random half of it is left out. 100 unless given. */
  readonly backoffMs?: number
  /**
   * Longest pause in milliseconds; 10,000 unless given. A peer that wants to be left alone for longer (`retryAfterMs`)
   * is not asked again.
   */
  readonly maxBackoffMs?: number
  /** JSON-RPC codes after which it is made again: BUSY unless given. It is in any case when it was cut off. */
  readonly codes?: readonly number[]
}

/** When a copy of a call is made while the first is still under way. The first answer counts, and ends the others. */
export interface HedgePolicy {
  /** Milliseconds without an answer, after the call or its last copy. */
  readonly afterMs: number
  /** Copies beside the call; 1 unless given. */
  readonly max?: number
}

/**
 * For unary calls of methods marked `idempotent`, and off unless given. Deadline and signal are those of the call as a
 * whole, if it is given them; a pause that would outlast the deadline is not begun.
 */
export interface CallPolicies {
  readonly retry?: RetryPolicy | undefined
  readonly hedge?: HedgePolicy | undefined
}
