import { z } from 'zod'

const count = (what: string, byDefault: number, min = 1): z.ZodDefault<z.ZodNumber> =>
  z.number().int().min(min).max(Number.MAX_SAFE_INTEGER).default(byDefault).describe(what)

/**
 * Options of the QUIC transport. The windows are for 100 Mbit/s at a round trip of 200 ms (2.5 MB under way) and some
 * more, since quiche begins with small ones again when the first are used up.
 */
export const quicTransportOptions = z.strictObject({
  protocols: z
    .array(z.string().min(1).max(255))
    .min(1)
    .max(16)
    .default(['peerloom/1'])
    .describe('Application protocols (ALPN, RFC 7301), most wanted first; the dialler’s order wins.'),
  handshakeTimeoutMs: count('How long a handshake may take, on either side.', 10_000),
  idleTimeoutMs: count('A connection on which nothing is heard for this long is over (RFC 9000 §10.1).', 30_000),
  keepAliveMs: count('After this much silence a connection asks for a sign of life; 0 for never.', 10_000, 0),
  closeLingerMs: count('How long a stopping transport repeats its closes to peers that missed them.', 50, 0),
  maxConnections: count('Connections at a time; further ones are refused.', 10_000),
  maxHandshakes: count('Handshakes that others have begun, at a time; further ones are dropped.', 1_024),
  maxStreams: count('Streams that the peer may have open on one connection.', 1_000),
  maxDatagramBytes: count(
    'The largest datagram sent and received, as far as both ends know that the path carries it.',
    65_527,
    1_200
  ),
  streamWindowBytes: count('Bytes that a new stream may receive unread.', 3 * 1024 * 1024),
  maxStreamWindowBytes: count('To how many bytes that grows while the reader keeps up.', 8 * 1024 * 1024),
  connectionWindowBytes: count('Bytes that all streams of a new connection may receive unread.', 16 * 1024 * 1024),
  maxConnectionWindowBytes: count('To how many bytes that grows while the readers keep up.', 16 * 1024 * 1024),
  certificateCheckMs: count('How often this node’s identity is asked whether its certificate is a new one.', 3_600_000),
  congestionControl: z.enum(['cubic', 'bbr', 'reno']).default('cubic').describe('The congestion controller.')
})

export type QuicTransportOptions = z.input<typeof quicTransportOptions>

/** The options with their defaults. */
export type QuicTransportConfig = z.output<typeof quicTransportOptions>
