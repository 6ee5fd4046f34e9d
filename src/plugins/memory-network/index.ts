import { isIP } from 'node:net'
import * as v from 'valibot'
import { abortReason, Datagrams, definePlugin, KernelError, type DatagramSocket } from '../../kernel/index.js'
import { Address } from '../../model/index.js'
import { MEMORY_MAX_DATAGRAM_BYTES, MemoryNetwork } from './network.js'

export { MemoryHost } from './host.js'
export { DEFAULT_QUEUE_BYTES, type Link, type LinkOptions } from './link.js'
export {
  MEMORY_MAX_DATAGRAM_BYTES,
  MemoryNetwork,
  type LinkPlan,
  type MemoryNetworkOptions,
  type MemoryNetworkStats
} from './network.js'

/** Sockets that one node may have open beside its primary one: four birthday rounds of 256. */
export const MAX_FURTHER_SOCKETS = 1_024

const options = v.strictObject({
  /** The network that this node is in. */
  network: v.optional(v.instance(MemoryNetwork), () => new MemoryNetwork()),
  /** The IP address of the host that this node runs on. */
  host: v.optional(
    v.pipe(
      v.string(),
      v.check((host) => isIP(host) !== 0, 'expected an IP address')
    ),
    '127.0.0.1'
  ),
  /** The port of the primary socket; 0 for any. */
  port: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(65_535)), 0)
})

export type MemoryNetworkPluginOptions = v.InferInput<typeof options>

/** Fulfils Datagrams on one host of a simulated network. */
export const memoryNetwork = definePlugin({
  name: 'memory-network',
  provides: { datagrams: Datagrams },
  config: options,
  start(_, context) {
    const { config, log } = context
    const { network } = config
    const host = network.host(config.host)
    const sockets: DatagramSocket[] = []
    const bind = (port: number): DatagramSocket => {
      const socket = host.bind(port, {
        log,
        onClose: () => {
          sockets.splice(sockets.indexOf(socket), 1)
        }
      })
      sockets.push(socket)
      return socket
    }
    const primary = bind(config.port)
    let stopped = false
    context.defer(async () => {
      stopped = true
      await Promise.all([...sockets].map((socket) => socket.close()))
    })
    const datagrams: Datagrams = {
      primary,
      get sockets() {
        return [...sockets]
      },
      addresses: [primary.local],
      maxDatagram: () => MEMORY_MAX_DATAGRAM_BYTES,
      // Async, so that what it refuses is a rejection, as with real sockets.
      // eslint-disable-next-line @typescript-eslint/require-await
      async open({ host: at = config.host, port = 0 } = {}) {
        if (stopped) throw new KernelError('ERR_STATE', 'the network plugin has stopped')
        if (Address.canonicalHost(at) !== host.address) {
          throw new KernelError('ERR_SOCKET', `${at} is no address of this host (${host.address})`)
        }
        if (sockets.length > MAX_FURTHER_SOCKETS) throw new KernelError('ERR_LIMIT', 'too many sockets are open')
        return bind(port)
      },
      // eslint-disable-next-line @typescript-eslint/require-await
      async resolve(name, { signal } = {}) {
        if (signal?.aborted === true) throw abortReason(signal)
        const addresses = isIP(name) === 0 ? network.lookUp(name) : [Address.canonicalHost(name)]
        if (addresses === undefined) throw new KernelError('ERR_RESOLVE', `no such name: ${name.slice(0, 60)}`)
        return addresses
      }
    }
    context.events.emit('node.listening', { addresses: datagrams.addresses })
    return { datagrams }
  }
})
