import * as v from 'valibot'

/** Options of the rpc plugin. */
export const rpcOptions = v.strictObject({
  /**
   * Milliseconds that a call may take, made or served, unless the method or the caller says otherwise; Infinity for
   * no limit.
   */
  defaultTimeoutMs: v.optional(v.pipe(v.number(), v.minValue(1)), 60_000),
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
  /** Calls served at a time for one connection; those beyond are answered with BUSY. */
  maxConcurrentCalls: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1)), 1000),
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
