import { isIP } from 'node:net'
import { z } from 'zod'
import { Datagrams, definePlugin } from '../../kernel/index.js'

const MEBIBYTE = 2 ** 20
const MAX_BUFFER_BYTES = 2 ** 30

const schema = z.strictObject({
  /**
   * IP address to bind to. `::`, the default, listens everywhere in IPv4 and IPv6, and falls back to `0.0.0.0` where
   * there is no IPv6; any other has its own family alone.
   */
  host: z
    .string()
    .refine((host) => isIP(host) !== 0, 'expected an IP address of this machine, such as 0.0.0.0, 127.0.0.1 or ::1')
    .default('::'),
  /** UDP port; 0, the default, is any free one. */
  port: z.int().min(0).max(65535).default(0),
  /** Bytes that the system may keep of what has arrived, for the primary socket; 4 MiB. The system may allow less. */
  receiveBufferBytes: z
    .int()
    .min(1)
    .max(MAX_BUFFER_BYTES)
    .default(4 * MEBIBYTE),
  /** Bytes that the system may keep of what is to be sent, for the primary socket; 4 MiB. The system may allow less. */
  sendBufferBytes: z
    .int()
    .min(1)
    .max(MAX_BUFFER_BYTES)
    .default(4 * MEBIBYTE),
  /** Throw-away sockets open at once; 600, enough for two hole punches by birthday (256 sockets each) and some more. */
  maxSockets: z.int().min(0).max(10_000).default(600)
})

export type UdpOptions = z.input<typeof schema>

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
