import { isIP } from 'node:net'
import * as v from 'valibot'
import { Datagrams, definePlugin } from '../../kernel/index.js'

const MEBIBYTE = 2 ** 20
const MAX_BUFFER_BYTES = 2 ** 30

const bufferBytes = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(MAX_BUFFER_BYTES))

const schema = v.strictObject({
  /**
   * IP address to bind to. `::`, the default, listens everywhere in IPv4 and IPv6, and falls back to `0.0.0.0` where
   * there is no IPv6; any other has its own family alone.
   */
  host: v.optional(
    v.pipe(
      v.string(),
      v.check((host) => isIP(host) !== 0, 'expected an IP address of this machine, such as 0.0.0.0, 127.0.0.1 or ::1')
    ),
    '::'
  ),
  /** UDP port; 0, the default, is any free one. */
  port: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(65535)), 0),
  /** Bytes that the system may keep of what has arrived, for the primary socket; 4 MiB. The system may allow less. */
  receiveBufferBytes: v.optional(bufferBytes, 4 * MEBIBYTE),
  /** Bytes that the system may keep of what is to be sent, for the primary socket; 4 MiB. The system may allow less. */
  sendBufferBytes: v.optional(bufferBytes, 4 * MEBIBYTE),
  /** Throw-away sockets open at once; 600, enough for two hole punches by birthday (256 sockets each) and some more. */
  maxSockets: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(10_000)), 600)
})

export type UdpOptions = v.InferInput<typeof schema>

/** Datagrams over the machine's UDP sockets. Fails to start with `ERR_SOCKET`. */
export const udp = definePlugin({
  name: 'udp',
  provides: { datagrams: Datagrams },
  config: schema,
  async start(_, context) {
    const release = context.clock.hold()
    try {
      // A node over other datagrams does not load these.
      const { UdpDatagrams } = await import('./udp-datagrams.js')
      const datagrams = await UdpDatagrams.open(context.config, context)
      context.defer(() => datagrams.stop())
      context.events.emit('node.listening', { addresses: datagrams.addresses })
      return { datagrams }
    } finally {
      release()
    }
  }
})
