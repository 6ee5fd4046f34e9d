import { expect } from 'chai'
import { ConnectionPool, definePlugin, RpcRegistry, unary, type Stream } from '#src/kernel/index.js'
import { memoryTransport } from '#src/plugins/memory-transport/index.js'
import { createTestNetwork } from '#src/testkit/index.js'

const api = { square: unary<{ value: number }, { value: number }>(({ value }) => ({ value: value ** 2 })) }
const squares = definePlugin({
  name: 'squares',
  needs: { rpc: RpcRegistry },
  start: ({ rpc }) => void rpc.register(api)
})

describe('memory-transport says no more than it must', () => {
  it('takes three datagrams for a call: request, response, ack; and two to ask a peer that was silent', async () => {
    await using network = await createTestNetwork({ nodes: 2, plugins: [squares] })
    const [alice, bob] = network.nodes
    const sentFor = async (value: number): Promise<number> => {
      const before = network.network.stats.sent
      await network.until(alice.peer(bob.id).rpc(api).square({ value }))
      await network.run(100)
      return network.network.stats.sent - before
    }
    await network.run(1_000)
    expect(await sentFor(3)).to.equal(5)
    expect(await sentFor(4)).to.equal(3)
  })

  it('lets the peer have as many streams open as it may, whatever was open before', async () => {
    const network = await createTestNetwork({
      nodes: 2,
      join: () => [],
      plugins: [memoryTransport.with({ maxStreams: 16 })]
    })
    const [alice, bob] = network.nodes
    const connection = await network.until(alice.connect(bob.contact))
    await network.run(1_000)
    const remote = bob.kernel.resolve(ConnectionPool).get(alice.id)!
    remote.onStream = (stream) => {
      stream.onReadable = () => {
        while (stream.read()) continue
        if (stream.read() === null) stream.end()
      }
      stream.onReadable()
    }
    const open: Stream[] = []
    const openOne = async (): Promise<Stream> => {
      const stream = await network.until(connection.open())
      stream.write(Uint8Array.of(1))
      return stream
    }
    for (let i = 0; i < 3; i++) {
      const stream = await openOne()
      stream.end()
      await network.run(1_000)
      while (stream.read()) continue
      stream.stop(0)
      await network.run(1_000)
    }
    for (let i = 0; i < 16; i++) open.push(await openOne())
    expect(connection.stats().streams).to.equal(16)
    await network.stop()
  })
})
