import * as v from 'valibot'

/** Configuration of the `connection-pool` plugin. */
export const connectionPoolOptions = v.strictObject({
  /** Peers connected at once, in both directions. */
  maxConnections: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1)), 512),
  /** After how many milliseconds the next address of a contact is dialled beside those under way. RFC 8305 §5: 250. */
  staggerMs: v.optional(v.pipe(v.number(), v.minValue(10), v.maxValue(5_000)), 250),
  /** Milliseconds that a dial may take, all addresses of a contact together. */
  dialTimeoutMs: v.optional(v.pipe(v.number(), v.minValue(100), v.maxValue(300_000)), 15_000),
  /** Milliseconds that streams on a duplicate connection have to finish before it is closed. */
  drainMs: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(300_000)), 10_000)
})

export type ConnectionPoolOptions = v.InferInput<typeof connectionPoolOptions>
