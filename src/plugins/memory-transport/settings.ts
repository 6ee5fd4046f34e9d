import { z } from 'zod'
import { MAX_PROTOCOL_BYTES, MAX_PROTOCOLS } from './codec.js'

export const settings = z.strictObject({
  /** Application protocols, the preferred one first; the acceptor takes the first of the dialler's that it knows. */
  protocols: z
    .array(
      z
        .string()
        .min(1)
        .refine((name) => Buffer.byteLength(name) <= MAX_PROTOCOL_BYTES, `at most ${MAX_PROTOCOL_BYTES} bytes`)
    )
    .min(1)
    .max(MAX_PROTOCOLS)
    .default(['peerloom/1']),
  /** Connections and handshakes that may be there at once. */
  maxConnections: z.int().min(1).max(100_000).default(1_024),
  /** Streams that a peer may have open at once on one connection. */
  maxStreams: z.int().min(1).max(65_536).default(256),
  /** A connection on which nothing was heard for this long has ended. */
  idleTimeoutMs: z.int().min(1).default(30_000),
  /** After this long without a word the peer is asked for one. */
  keepAliveMs: z.int().min(1).default(10_000),
  /** The time that a handshake may take. */
  handshakeTimeoutMs: z.int().min(1).default(10_000)
})

export type Settings = z.output<typeof settings>
