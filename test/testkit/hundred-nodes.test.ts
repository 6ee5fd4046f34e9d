import { expect } from 'chai'
import { definePlugin, RpcRegistry, unary } from '#src/kernel/index.js'
import { createTestNetwork, type LoggedEvent } from '#src/testkit/index.js'

const NODES = 100
const api = { square: unary<{ value: number }, { value: number }>(({ value }) => ({ value: value ** 2 })) }
const squares = definePlugin({
  name: 'squares',
  needs: { rpc: RpcRegistry },
  start: ({ rpc }) => void rpc.register(api)
})

/** Joins, look-ups and calls of a hundred nodes, over links that delay, reorder and copy. A loss would add a second to each join. */
async function story(seed: number): Promise<readonly LoggedEvent[]> {
  const links = { latencyMs: [10, 40], duplicateRate: 0.01 } as const
  await using network = await createTestNetwork({ nodes: NODES, plugins: [squares], links, seed, together: true })
  const { nodes } = network
  const others = nodes.map((node, i) => ({ node, other: nodes[(i * 7 + 3) % NODES]! }))
  const lookUps = others.map(({ node, other }) => node.find(other.id))
  const found = (await network.until(Promise.allSettled(lookUps))).map(({ status }) => status === 'fulfilled')
  // The nodes have all come at the same moment, so not everyone has been heard of yet.
  expect(found.filter(Boolean).length).to.be.above(NODES / 2)
  const calls = others.map(({ node, other }, value) => node.peer(other.contact).rpc(api).square({ value }))
  const answers = await network.until(Promise.all(calls))
  expect(answers).to.deep.equal(nodes.map((_, value) => ({ value: value ** 2 })))
  await network.stop()
  expect(network.eventsDropped).to.equal(0)
  return network.events
}

describe('a virtual-time test network of 100 nodes', function () {
  this.timeout(120_000)

  it('gives the same event log twice from the same seed, and another from another seed', async () => {
    const [first, again, other] = [await story(1), await story(1), await story(2)]
    expect(first.length).to.be.above(20_000)
    const types = new Set(first.map(({ type }) => type))
    expect(types).to.include.keys('routing.joined', 'discovery.done', 'rpc.served', 'connection.closed')
    // Deep equality of logs this long takes minutes to fail; the first difference says more.
    const differs = first.findIndex((event, i) => JSON.stringify(event) !== JSON.stringify(again[i]))
    expect([first[differs], first.length]).to.deep.equal([undefined, again.length])
    expect(JSON.stringify(other)).not.to.equal(JSON.stringify(first))
  })
})
