import { MemoryNetwork } from '#src/plugins/memory-network/index.js'
import { transportConformance, type TransportPair } from '#src/testkit/index.js'
import { testIdentity } from './identities.js'
import { startNode } from './nodes.js'

const MAX_STREAMS = 16
const DRAIN_MS = 1_500

async function createPair(): Promise<TransportPair> {
  const network = new MemoryNetwork()
  const [first, second] = await Promise.all(
    [1, 2].map((n) => startNode(n, { network, transport: { maxStreams: MAX_STREAMS, drainMs: DRAIN_MS } }))
  )
  const endOf = ({ kernel, transport, identity, address }: NonNullable<typeof first>): TransportPair['a'] => ({
    transport,
    id: identity.nodeId,
    address,
    stop: () => kernel.stop()
  })
  const [a, b] = [endOf(first!), endOf(second!)]
  return {
    a,
    b,
    nowhere: { host: '10.0.0.99', port: 4433 },
    stranger: testIdentity(3).nodeId,
    async stop() {
      await Promise.all([a.stop(), b.stop()])
    }
  }
}

transportConformance({ name: 'memory-transport', maxStreams: MAX_STREAMS, createPair, describe, it })
