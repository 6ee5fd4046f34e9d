import type { CallMeta } from './rpc-methods.js'

/** How often something may happen. */
export interface Rate {
  /** On average; fractions are fine. */
  readonly perSecond: number
  /** At once, after a pause; one second's worth unless given, at least 1. */
  readonly burst?: number
}

/**
 * What a method takes. A call beyond a rate or a number is answered with BUSY at once, never queued, and with
 * `data: { retryAfterMs }` where that is known; an input beyond a size with INVALID_PARAMS.
 */
export interface MethodLimits {
  /** Calls of all peers together. */
  readonly rate?: Rate
  /** Calls of each peer. */
  readonly ratePerPeer?: Rate
  /** Calls of all peers at a time. A handler that goes on after its call has ended still counts. */
  readonly concurrent?: number
  /** Calls of each peer at a time. */
  readonly concurrentPerPeer?: number
  /** Bytes of an input, or of each item of one, as JSON without blanks. The bytes of a raw call are not counted. */
  readonly maxInputBytes?: number
  /** Nesting of arrays and objects in an input or an item; a number has 0, `[]` has 1. */
  readonly maxInputDepth?: number
}

/** Whether a peer may call a method. What it throws is what the caller is told; it is asked before any limit. */
export type AccessRule = (caller: CallMeta, method: string) => boolean | Promise<boolean>
