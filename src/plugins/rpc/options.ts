import { z } from 'zod'

const limitMs = z.number().min(1).or(z.literal(Infinity))

/** Options of the rpc plugin. */
export const rpcOptions = z
  .strictObject({
    /**
     * Milliseconds that a call may take, made or served, unless the method or the caller says otherwise; Infinity for
     * no limit.
     */
    defaultTimeoutMs: limitMs.default(60_000),
    /** Longest message taken or sent, in bytes. */
    maxMessageBytes: z
      .int()
      .min(1024)
      .max(64 * 1024 * 1024)
      .default(4 * 1024 * 1024),
    /**
     * Bytes of unfinished messages held for all calls of one connection together, each piece that arrives counting for
     * 128 more; a call that goes beyond fails with BUSY.
     */
    maxIncomingBytes: z
      .int()
      .min(1024)
      .default(64 * 1024 * 1024),
    /** Deepest nesting of brackets taken in a message, its envelope included. */
    maxJsonDepth: z.int().min(4).max(1000).default(64),
    /** Calls served at a time for one connection; those beyond are answered with BUSY. */
    maxConcurrentCalls: z.int().min(1).default(1000)
  })
  .prefault({})

export type RpcOptions = z.input<typeof rpcOptions>

/** The options with their defaults. */
export type RpcSettings = z.output<typeof rpcOptions>
