import { MemoryNetwork } from '#src/plugins/memory-network/index.js'
import { seededRandom, transportPathsConformance, VirtualClock, type PathsPair } from '#src/testkit/index.js'
import { startNode } from './nodes.js'

async function createPair(clock?: VirtualClock): Promise<PathsPair> {
  const network = new MemoryNetwork(clock === undefined ? {} : { clock, random: seededRandom(1), latencyMs: 20 })
  const [a, b] = await Promise.all(
    [1, 2].map(async (n) => {
      const node = await startNode(n, { network, paths: { timeoutMs: 500 }, ...(clock === undefined ? {} : { clock }) })
      return { ...node, id: node.identity.nodeId, stop: () => node.kernel.stop() }
    })
  )
  return {
    a: a!,
    b: b!,
    clock,
    nowhere: { host: '10.0.0.99', port: 4433 },
    async stop() {
      await Promise.all([a!.stop(), b!.stop()])
    }
  }
}

const runner = { describe, it }
transportPathsConformance({ name: 'memory-transport', createPair, ...runner })
transportPathsConformance({
  name: 'memory-transport in virtual time',
  createPair: () => createPair(new VirtualClock()),
  ...runner
})
