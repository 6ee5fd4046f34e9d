import { expect } from 'chai'
import { client, definePlugin, duplex, RpcCode, RpcRegistry, server, unary, type NodeId } from '#src/index.js'
import { createTestNetwork } from '#src/testkit/index.js'
import { authorising, logging, metrics, type Metrics } from '#examples/middleware/index.js'

const api = {
  square: unary<number, number>((n) => n ** 2),
  fails: unary<null, never>(() => {
    throw new Error('as it must')
  }),
  sum: client<number, number>(async (numbers) => {
    let sum = 0
    for await (const n of numbers) sum += n
    return sum
  }),
  count: server<number, number>(function* (to) {
    for (let n = 0; n < to; n++) yield n
  }),
  echo: duplex<number, number>((numbers) => numbers)
}

const calculator = definePlugin({
  name: 'calculator',
  needs: { rpc: RpcRegistry },
  start: ({ rpc }) => void rpc.register(api)
})

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

describe('middleware for logging, authorising and metrics', () => {
  it('works on both sides, for calls of all kinds', async () => {
    await using network = await createTestNetwork({ nodes: 2, plugins: [calculator] })
    const [alice, bob] = network.nodes
    const lines: string[] = []
    const members = new Set<NodeId>([bob.id])
    const served = new Map<string, Metrics>()
    const made = new Map<string, Metrics>()
    const registry = alice.kernel.resolve(RpcRegistry)
    for (const middleware of [
      logging((line) => lines.push(line)),
      metrics(served),
      authorising(['calculator'], members)
    ]) {
      registry.use(middleware)
    }
    const remote = bob.peer(alice.id).rpc(api, { use: [metrics(made)] })
    const calls = async () => {
      expect(await remote.square(3)).to.equal(9)
      expect(await remote.sum([1, 2, 3])).to.equal(6)
      expect(await collect(remote.count(2))).to.deep.equal([0, 1])
      expect(await collect(remote.echo([7]))).to.deep.equal([7])
      const failure: unknown = await remote.fails(null).catch((error: unknown) => error)
      expect(failure).to.include({ message: 'as it must' })
      members.delete(bob.id)
      const denied: unknown = await remote.square(3).catch((error: unknown) => error)
      expect(denied).to.include({ rpcCode: RpcCode.FORBIDDEN })
    }
    await network.until(calls())
    expect(
      lines.map((line) => line.replace(/[\d.]+ ms/, '* ms')).filter((line) => !line.includes(' kad.'))
    ).to.deep.equal(
      ['square', 'sum', 'count', 'echo', 'fails', 'square'].map(
        (method, i) =>
          `served ${method} to ${bob.id} in * ms: ${i < 4 ? 'ok' : i === 4 ? 'as it must' : 'for members only'}`
      )
    )
    for (const counted of [served, made]) {
      const of = (method: string) => {
        const { calls, failed, running, items } = counted.get(method)!
        return [calls, failed, running, items]
      }
      expect(['square', 'sum', 'count', 'echo', 'fails'].map(of)).to.deep.equal([
        [2, 1, 0, 0],
        [1, 0, 0, 3],
        [1, 0, 0, 2],
        [1, 0, 0, 2],
        [1, 1, 0, 0]
      ])
    }
  })
})
