import * as v from 'valibot'

/** Lanes that a peer may have open on one connection. */
export const MAX_SERVED_LANES = 64

/** Options of the rpc plugin. */
export const rpcOptions = v.strictObject({
  /**
   * Milliseconds that a call may take, made or served, unless the method or the caller says otherwise; Infinity for
   * no limit.
   */
  defaultTimeoutMs: v.optional(v.pipe(v.number(), v.minValue(1)), 60_000),
  /** Milliseconds for which a streaming call may stand still, unless the method or the caller says otherwise. */
  defaultIdleTimeoutMs: v.optional(v.pipe(v.number(), v.minValue(1)), Infinity),
  /** Longest message taken or sent, in bytes. */
  maxMessageBytes: v.optional(
    v.pipe(v.number(), v.integer(), v.minValue(1024), v.maxValue(64 * 1024 * 1024)),
    4 * 1024 * 1024
  ),
  /**
   * Bytes of unfinished messages held for all calls of one connection together, each piece that arrives counting for
   * 128 more; a call that goes beyond fails with BUSY.
   */
  maxIncomingBytes: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1024)), 64 * 1024 * 1024),
  /** Deepest nesting of brackets taken in a message, its envelope included. */
  maxJsonDepth: v.optional(v.pipe(v.number(), v.integer(), v.minValue(4), v.maxValue(1000)), 64),
  /**
   * Streams for calls of one message each way that are made to one peer and shared by those that are small; 0 for a
   * stream of its own to each call.
   */
  maxLanes: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(MAX_SERVED_LANES)), 8),
  /** Small calls to a peer within a second that have streams of their own before a lane is opened for further ones. */
  laneAfterCalls: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 4),
  /** Milliseconds without a call after which a lane is ended; twice as many at most. */
  laneIdleMs: v.optional(v.pipe(v.number(), v.minValue(1)), 1_000),
  /** Calls served at a time for one connection; those beyond are answered with BUSY. */
  maxConcurrentCalls: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1)), 1000),
  /**
   * Application protocols (ALPN) of the connections on which the wire of @matrixai/rpc is spoken, instead of `peerloom/1`
   * as on all others. The transport has to offer them, too.
   */
  matrixProtocols: v.optional(v.pipe(v.array(v.pipe(v.string(), v.minLength(1), v.maxBytes(255))), v.maxLength(16)), [
    'matrixai-rpc/1'
  ]),
  /** Whether peers may ask (`rpc.methods`) which methods they may call. */
  listMethods: v.optional(v.boolean(), true),
  /** Calls served at a time on all connections; those beyond are answered with BUSY. */
  maxTotalCalls: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1)), 10_000),
  /**
   * Milliseconds that the event loop may be late; while it is later, calls are answered with BUSY. Not looked at unless
   * given. It is measured every 100 ms.
   */
  maxLoopDelayMs: v.optional(v.pipe(v.number(), v.minValue(1)), Infinity)
})

export type RpcOptions = v.InferInput<typeof rpcOptions>

/** The options with their defaults. */
export type RpcSettings = v.InferOutput<typeof rpcOptions>
