import * as v from 'valibot'
import { MAX_PROTOCOL_BYTES, MAX_PROTOCOLS } from './codec.js'

export const settings = v.strictObject({
  /** Application protocols, the preferred one first; the acceptor takes the first of the dialler's that it knows. */
  protocols: v.optional(
    v.pipe(
      v.array(v.pipe(v.string(), v.minLength(1), v.maxBytes(MAX_PROTOCOL_BYTES))),
      v.minLength(1),
      v.maxLength(MAX_PROTOCOLS)
    ),
    ['peerloom/1']
  ),
  /** Connections and handshakes that may be there at once. */
  maxConnections: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(100_000)), 1_024),
  /** Streams that a peer may have open at once on one connection. */
  maxStreams: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_536)), 256),
  /** Messages that may wait to be sent, and as many that wait for a handler, on one connection. */
  maxQueuedMessages: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_536)), 64),
  /** A connection on which nothing was heard for this long has ended. */
  idleTimeoutMs: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1)), 30_000),
  /** After this long without a word the peer is asked for one. */
  keepAliveMs: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1)), 10_000),
  /** How long a connection that is drained, as all are at a stop, waits for what is under way; 0 to wait for nothing. */
  drainMs: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0)), 500),
  /** The time that a handshake may take. */
  handshakeTimeoutMs: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1)), 10_000)
})

export type Settings = v.InferOutput<typeof settings>
