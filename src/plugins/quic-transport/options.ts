import * as v from 'valibot'

const count = (byDefault: number, min = 1) =>
  v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(min)), byDefault)

/**
 * Options of the QUIC transport. The windows are for 100 Mbit/s at a round trip of 200 ms (2.5 MB under way) and some
 * more, since quiche begins with small ones again when the first are used up.
 */
export const quicTransportOptions = v.strictObject({
  /** Application protocols (ALPN, RFC 7301), most wanted first; the dialler’s order wins. */
  protocols: v.optional(
    v.pipe(v.array(v.pipe(v.string(), v.minLength(1), v.maxBytes(255))), v.minLength(1), v.maxLength(16)),
    ['peerloom/1']
  ),
  /** How long a handshake may take, on either side. */
  handshakeTimeoutMs: count(10_000),
  /** A connection on which nothing is heard for this long is over (RFC 9000 §10.1). */
  idleTimeoutMs: count(30_000),
  /** After this much silence a connection asks for a sign of life; 0 for never. */
  keepAliveMs: count(10_000, 0),
  /** How long a stopping transport repeats its closes to peers that missed them. */
  closeLingerMs: count(50, 0),
  /** Connections at a time; further ones are refused. */
  maxConnections: count(10_000),
  /** Handshakes that others have begun, at a time; further ones are dropped. */
  maxHandshakes: count(1_024),
  /**
   * With so many of them under way, who begins another must first prove that it receives what is sent to its address
   * (RFC 9000 §8.1.2), which takes a round trip and keeps nothing here; 0 for always.
   */
  retryAboveHandshakes: count(128, 0),
  /** How long that proof is good for. */
  retryTokenMs: count(10_000),
  /** Handshakes, and connections, that one IP address (of IPv6: one /64) may have begun. Loopback is not limited. */
  maxHandshakesPerAddress: count(64),
  maxConnectionsPerAddress: count(256),
  /** Connections that one node may have made to this one. Loopback is not limited. */
  maxConnectionsPerNode: count(16),
  /** Streams that the peer may have open on one connection. */
  maxStreams: count(1_000),
  /** The largest datagram sent and received, as far as both ends know that the path carries it. */
  maxDatagramBytes: count(65_527, 1_200),
  /** Bytes that a new stream may receive unread. */
  streamWindowBytes: count(3 * 1024 * 1024),
  /** To how many bytes that grows while the reader keeps up. */
  maxStreamWindowBytes: count(8 * 1024 * 1024),
  /** Bytes that all streams of a new connection may receive unread. */
  connectionWindowBytes: count(16 * 1024 * 1024),
  /** To how many bytes that grows while the readers keep up. */
  maxConnectionWindowBytes: count(16 * 1024 * 1024),
  /** How often this node’s identity is asked whether its certificate is a new one. */
  certificateCheckMs: count(3_600_000),
  /** The congestion controller. */
  congestionControl: v.optional(v.picklist(['cubic', 'bbr', 'reno']), 'cubic')
})

export type QuicTransportOptions = v.InferInput<typeof quicTransportOptions>

/** The options with their defaults. */
export type QuicTransportConfig = v.InferOutput<typeof quicTransportOptions>
