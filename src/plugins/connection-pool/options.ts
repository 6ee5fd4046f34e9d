import * as v from 'valibot'

const count = (byDefault: number) => v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1)), byDefault)
const duration = (minMs: number, maxMs: number, byDefault: number) =>
  v.optional(v.pipe(v.number(), v.minValue(minMs), v.maxValue(maxMs)), byDefault)

const DAY_MS = 86_400_000

/** Configuration of the `connection-pool` plugin. */
export const connectionPoolOptions = v.strictObject({
  /** Peers connected at once, in both directions. Beyond it the least useful is closed, or the newest refused. */
  maxConnections: count(512),
  /** Peers that may have come uninvited from one IP address (of IPv6: one /64). Loopback is not limited. */
  maxPerAddress: count(32),
  /** Peers that may have come uninvited from one group of IP addresses (a /24; of IPv6 a /48), private ones excepted. */
  maxPerGroup: count(64),
  /** Milliseconds after which a connection that nobody uses is closed; plugins can wish for more. */
  idleMs: duration(1_000, DAY_MS, 120_000),
  /**
   * Milliseconds that a peer may have been silent for a connection to be used at once. Beyond it the peer is asked for
   * a sign of life first, which takes a round trip, so that nothing is sent to one that was restarted meanwhile. No
   * process is killed and started again in less than the default.
   */
  maxSilenceMs: duration(0, DAY_MS, 200),
  /** After how many milliseconds the next address of a contact is dialled beside those under way. RFC 8305 §5: 250. */
  staggerMs: duration(10, 5_000, 250),
  /** Milliseconds that a dial may take, all addresses of a contact together. */
  dialTimeoutMs: duration(100, 300_000, 15_000),
  /**
   * Milliseconds that streams on a duplicate connection have to finish before it is closed. Those on one that was
   * replaced by a later one have as long as they last.
   */
  drainMs: duration(0, 300_000, 10_000)
})

export type ConnectionPoolOptions = v.InferInput<typeof connectionPoolOptions>

/** The options with their defaults. */
export type ConnectionPoolConfig = v.InferOutput<typeof connectionPoolOptions>
