import { expect } from 'chai'
import {
  ConnectionPool,
  createNode,
  definePlugin,
  quicTransport,
  RpcRegistry,
  unary,
  type Node,
  type PeerloomError
} from 'peerloom'

const api = {
  read: unary<object, boolean>(undefined, { idempotent: true }),
  write: unary<object, boolean>()
}

/** Each method tells whether it was run before its caller's handshake was done. */
const methods = definePlugin({
  name: 'methods',
  needs: { rpc: RpcRegistry, pool: ConnectionPool },
  start({ rpc, pool }) {
    const isEarly = (_input: object, { meta }: { meta: { connection: string; nodeId: string } }): boolean =>
      ![...pool.connections].some(({ id }) => id === meta.connection)
    rpc.register({ read: unary(isEarly, { idempotent: true }), write: unary(isEarly) })
  }
})

const start = (): Promise<Node> =>
  createNode({
    host: '127.0.0.1',
    plugins: [methods, quicTransport.with({ earlyData: true, handshakeTimeoutMs: 300 })]
  })

async function part(a: Node, b: Node): Promise<void> {
  const gone = async (node: Node, other: Node): Promise<unknown> =>
    node.kernel.resolve(ConnectionPool).get(other.id)?.closed
  const both = [gone(a, b), gone(b, a)]
  a.kernel.resolve(ConnectionPool).disconnect(b.id)
  await Promise.all(both)
}

describe('a call to a node that was connected before', () => {
  it('is sent in the first flight if its method is idempotent, and after the handshake if not', async () => {
    await using alice = await start()
    await using bob = await start()
    const { read, write } = alice.peer(bob.contact).rpc(api)
    expect(await read({})).to.equal(false)
    await part(alice, bob)
    expect(await read({})).to.equal(true)
    expect(await read({})).to.equal(false)
    await part(alice, bob)
    expect(await write({})).to.equal(false)
    await part(alice, bob)
    expect(await Promise.all([read({}), write({})])).to.deep.equal([true, false])
  })

  it('ends as any other if the node is gone', async () => {
    await using alice = await start()
    const bob = await start()
    const { read } = alice.peer(bob.contact).rpc(api)
    await read({})
    await part(alice, bob)
    await bob.stop()
    const error: unknown = await read({}).catch((thrown: unknown) => thrown)
    expect((error as PeerloomError).code).to.equal('ERR_CONNECT')
  })
})
