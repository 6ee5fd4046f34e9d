import { expect } from 'chai'
import { RpcCode } from '#src/kernel/index.js'
import { createTestNetwork } from '#src/testkit/index.js'
import { makePair, rejection } from './harness.js'

describe('rpc: the list of methods', () => {
  it('is given no more often than a peer may ask', async () => {
    const pair = await makePair()
    const ask = () => pair.caller.rpc.methodsOf(pair.caller.connection)
    for (let i = 0; i < 10; i++) expect(await ask()).to.deep.equal([])
    const error = await rejection(ask())
    expect(error).to.include({ rpcCode: RpcCode.BUSY })
    expect(error.data).to.deep.equal({ retryAfterMs: 1000 })
    await pair.stop()
  })

  it('is not given by a node that is told not to', async () => {
    const pair = await makePair({ server: { listMethods: false } })
    const error = await rejection(pair.caller.rpc.methodsOf(pair.caller.connection))
    expect(error).to.include({ rpcCode: RpcCode.METHOD_NOT_FOUND })
    await pair.stop()
  })

  it('is believed only if it is one', async () => {
    const pair = await makePair()
    for (const answer of [
      null,
      {},
      { methods: [{ name: 7, kind: 'unary' }] },
      { methods: [{ name: 'x', kind: 'y' }] }
    ]) {
      pair.server.rpc.use((call) => (call.method === 'rpc.methods' ? answer : call.next()))
      const error = await rejection(pair.caller.rpc.methodsOf(pair.caller.connection))
      expect(error).to.include({ rpcCode: RpcCode.INTERNAL_ERROR })
      await pair.clock.advance(1000)
    }
    await pair.stop()
  })

  it('is there for the peers of a node', async () => {
    await using network = await createTestNetwork({ nodes: 2 })
    const [alice, bob] = network.nodes
    const names = async () => (await bob.peer(alice.id).methods()).map(({ name }) => name)
    expect(await network.until(names())).to.have.members(['kad.findNode', 'kad.ping'])
  })
})
