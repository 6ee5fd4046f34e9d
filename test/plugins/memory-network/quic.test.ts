import { expect } from 'chai'
import { memoryNetwork, MemoryNetwork } from '#src/plugins/memory-network/index.js'
import { createNode, type Node } from '#src/node.js'
import { definePlugin, RpcRegistry, unary } from '#src/kernel/index.js'
import { seededRandom } from '#src/testkit/index.js'

const api = { square: unary<{ value: number }, { value: number }>(({ value }) => ({ value: value ** 2 })) }
const squares = definePlugin({
  name: 'squares',
  needs: { rpc: RpcRegistry },
  start: ({ rpc }) => void rpc.register(api)
})

describe('QUIC over memory-network', () => {
  const makeNode = (network: MemoryNetwork, host: string, seed?: Node): Promise<Node> =>
    createNode({
      plugins: [squares, memoryNetwork.with({ network, host, port: 4433 })],
      ...(seed === undefined ? {} : { seeds: [seed.contact] })
    })

  it('answers calls through delays, losses, copies and a narrow link', async function () {
    this.timeout(20_000)
    const network = new MemoryNetwork({
      random: seededRandom(7),
      latencyMs: [2, 10],
      lossRate: 0.05,
      duplicateRate: 0.05,
      bytesPerSecond: 1_000_000
    })
    await using alice = await makeNode(network, '10.0.0.1')
    await using bob = await makeNode(network, '10.0.0.2', alice)
    const connection = await bob.connect(alice.id)
    expect(connection).to.include({ transport: 'quic-transport' })
    expect(connection.remote).to.deep.equal({ host: '10.0.0.1', port: 4433 })
    const { square } = bob.peer(alice.id).rpc(api)
    const answers = await Promise.all(Array.from({ length: 50 }, (_, value) => square({ value })))
    expect(answers).to.deep.equal(Array.from({ length: 50 }, (_, value) => ({ value: value ** 2 })))
    expect(network.stats.lost).to.be.above(0)
    expect(network.stats.duplicated).to.be.above(0)
  })
})
