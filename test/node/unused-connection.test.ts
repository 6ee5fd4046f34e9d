import { expect } from 'chai'
import { CloseCode, ConnectionPool, definePlugin, RpcRegistry, unary } from '#src/kernel/index.js'
import { connectionPool } from '#src/plugins/connection-pool/index.js'
import { createTestNetwork } from '#src/testkit/index.js'

const api = { count: unary<object, { times: number }>() }
const counter = () =>
  definePlugin({
    name: 'counter',
    needs: { rpc: RpcRegistry },
    start({ rpc }) {
      let times = 0
      rpc.register({ count: unary<object, { times: number }>(() => ({ times: ++times })) })
    }
  })

describe('a connection that nobody uses', () => {
  it('is closed after a while, and made again by the next call', async () => {
    await using network = await createTestNetwork({
      nodes: 2,
      join: () => [],
      plugins: () => [counter(), connectionPool.with({ idleMs: 10_000 })]
    })
    const [alice, bob] = network.nodes
    const { count } = alice.peer(bob.contact).rpc(api)
    expect(await network.until(count({}))).to.deep.equal({ times: 1 })
    await network.run(600_000)
    const closed = network.events.filter(({ type }) => type === 'connection.closed')
    expect(closed.length).to.equal(2)
    for (const event of closed) expect(event).to.include({ code: CloseCode.IDLE })
    expect(await network.until(count({}))).to.deep.equal({ times: 2 })
  })

  it('loses no call that is made while the peer closes it, and repeats none that the peer may have seen', async () => {
    for (const [code, repeated] of [
      [CloseCode.IDLE, true],
      [CloseCode.LIMIT, false]
    ] as const) {
      await using network = await createTestNetwork({ nodes: 2, join: () => [], plugins: () => [counter()] })
      const [alice, bob] = network.nodes
      const { count } = alice.peer(bob.contact).rpc(api)
      await network.until(count({}))
      bob.kernel.resolve(ConnectionPool).get(alice.id)!.close(code, 'just now')
      const outcome = await network.until(count({}).catch((error: unknown) => error))
      if (repeated) expect(outcome).to.deep.equal({ times: 2 })
      else expect(outcome).to.have.property('code', 'ERR_CONNECTION_CLOSED')
    }
  })
})
