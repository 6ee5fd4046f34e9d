import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'

const PROTOCOL = '/bench/1'
/** More than any case needs: the limits of connections and streams are not what is measured. */
export const PLENTY = 1_000_000
const DIAL_TIMEOUT_MS = 10_000

export const transports = {
  tcp: async () => ({
    listen: '/ip4/127.0.0.1/tcp/0',
    transports: [(await import('@libp2p/tcp')).tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()]
  }),
  quic: async () => ({
    listen: '/ip4/127.0.0.1/udp/0/quic-v1',
    transports: [(await import('@chainsafe/libp2p-quic')).quic()]
  })
}

export const contender = (kind) => ({
  async serve(_, accept) {
    const { listen, ...parts } = await transports[kind]()
    const node = await start({ ...parts, addresses: { listen: [listen] } })
    await node.handle(PROTOCOL, (stream) => accept(ductOf(stream)), {
      maxInboundStreams: PLENTY,
      maxOutboundStreams: PLENTY
    })
    return node.getMultiaddrs()[0].toString()
  },
  /** `dial` gives callers of the same moment one connection, even if told to make a new one. */
  async client(where, { inParallel }) {
    const { transports: carriers, connectionEncrypters, streamMuxers } = await transports[kind]()
    const node = await start({ transports: carriers, connectionEncrypters, streamMuxers, addresses: { listen: [] } })
    const address = multiaddr(where)
    return async () => {
      const connection = inParallel
        ? await node.components.transportManager.dial(address, { signal: AbortSignal.timeout(DIAL_TIMEOUT_MS) })
        : await node.dial(address, { force: true })
      const ends = []
      return {
        open: async () => ductOf(await connection.newStream(PROTOCOL, { maxOutboundStreams: PLENTY }), ends),
        async close() {
          // A stream that is still closing would write to a closed connection, and the process would end with that.
          await Promise.all(ends)
          await connection.close()
        }
      }
    }
  }
})

export const start = (parts) =>
  createLibp2p({
    ...parts,
    connectionGater: { denyDialMultiaddr: () => false },
    connectionManager: {
      maxConnections: PLENTY,
      maxParallelDials: PLENTY,
      inboundConnectionThreshold: PLENTY,
      maxIncomingPendingConnections: PLENTY
    },
    connectionMonitor: { enabled: false }
  })

function ductOf(stream, ends = []) {
  const duct = {
    write: (chunk) => stream.send(chunk),
    drained: () => stream.onDrain(),
    onData: () => undefined,
    end: () => void ends.push(stream.close().catch(() => undefined))
  }
  stream.addEventListener('message', ({ data }) => duct.onData(data.subarray()))
  return duct
}
