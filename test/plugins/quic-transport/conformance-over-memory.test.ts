import { createKernel, Datagrams, Identity, Transport } from '#src/kernel/index.js'
import { NodeId } from '#src/model/index.js'
import { identity } from '#src/plugins/identity/index.js'
import { MemoryNetwork, memoryNetwork } from '#src/plugins/memory-network/index.js'
import { quicTransport } from '#src/plugins/quic-transport/index.js'
import { paths } from '#src/plugins/paths/index.js'
import { transportConformance, transportPathsConformance, type PathsPair } from '#src/testkit/index.js'

const MAX_STREAMS = 16
const DRAIN_MS = 1_500

async function startNode(network: MemoryNetwork, host: string): Promise<PathsPair['a']> {
  const kernel = createKernel({
    plugins: [
      identity,
      memoryNetwork.with({ network, host }),
      paths.with({ timeoutMs: 500 }),
      quicTransport.with({ maxStreams: MAX_STREAMS, drainMs: DRAIN_MS, handshakeTimeoutMs: 1_000 })
    ]
  })
  await kernel.start()
  return {
    transport: kernel.resolve(Transport),
    id: kernel.resolve(Identity).nodeId,
    datagrams: kernel.resolve(Datagrams),
    address: kernel.resolve(Datagrams).primary.local,
    stop: () => kernel.stop()
  }
}

async function createPair() {
  const network = new MemoryNetwork()
  const [a, b] = await Promise.all([startNode(network, '10.0.0.1'), startNode(network, '10.0.0.2')])
  return {
    a,
    b,
    nowhere: { host: '10.0.0.99', port: 4433 },
    stranger: NodeId.fromBytes(new Uint8Array(32).fill(9)),
    async stop() {
      await Promise.all([a.stop(), b.stop()])
    }
  }
}

transportConformance({
  name: 'quic-transport over memory-network',
  maxStreams: MAX_STREAMS,
  createPair,
  describe,
  it
})
transportPathsConformance({ name: 'quic-transport over memory-network', createPair, describe, it })
