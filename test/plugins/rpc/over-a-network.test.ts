import { expect } from 'chai'
import {
  ConnectionPool,
  createKernel,
  Datagrams,
  Identity,
  RpcCode,
  RpcRegistry,
  server,
  unary,
  type CallContext,
  type Connection,
  type Kernel
} from '#src/kernel/index.js'
import { Contact, type NodeId } from '#src/model/index.js'
import { connectionPool } from '#src/plugins/connection-pool/index.js'
import { identity } from '#src/plugins/identity/index.js'
import { MemoryNetwork, memoryNetwork } from '#src/plugins/memory-network/index.js'
import { memoryTransport } from '#src/plugins/memory-transport/index.js'
import { rpc } from '#src/plugins/rpc/index.js'
import { seededRandom, VirtualClock } from '#src/testkit/index.js'
import { collect, methods, rejection, textOf } from './harness.js'

interface Node {
  readonly kernel: Kernel
  readonly rpc: RpcRegistry
  readonly pool: ConnectionPool
  readonly id: NodeId
  readonly contact: Contact
}

async function startNode(clock: VirtualClock, network: MemoryNetwork, seed: number): Promise<Node> {
  const plugins = [
    identity.with({ seed: new Uint8Array(32).fill(seed) }),
    memoryNetwork.with({ network, host: `10.0.0.${String(seed)}`, port: 4433 }),
    memoryTransport,
    connectionPool,
    rpc
  ]
  const kernel = createKernel({ clock, random: seededRandom(seed), plugins })
  await clock.until(kernel.start())
  const id = kernel.resolve(Identity).nodeId
  const contact = Contact.of(id, [kernel.resolve(Datagrams).primary.local])
  return { kernel, rpc: kernel.resolve(RpcRegistry), pool: kernel.resolve(ConnectionPool), id, contact }
}

for (const [name, link] of [
  ['a clean network', { latencyMs: 10 }],
  ['a network that loses one packet in ten', { latencyMs: 10, lossRate: 0.1 }]
] as const) {
  describe(`rpc: over ${name}`, () => {
    let clock: VirtualClock
    let caller: Node
    let callee: Node
    let connection: Connection

    beforeEach(async () => {
      clock = new VirtualClock()
      const network = new MemoryNetwork({ clock, random: seededRandom(1), ...link })
      caller = await startNode(clock, network, 1)
      callee = await startNode(clock, network, 2)
      connection = await clock.until(caller.pool.dial(callee.contact))
    })

    afterEach(async () => {
      await clock.until(Promise.all([caller.kernel.stop(), callee.kernel.stop()]))
    })

    async function noStreamsLeft(): Promise<void> {
      await clock.advance(5_000)
      for (const { pool } of [caller, callee]) {
        for (const one of pool.connections) expect(one.stats().streams).to.equal(0)
      }
    }

    it('answers each kind, in both directions', async () => {
      for (const [from, to] of [
        [caller, callee],
        [callee, caller]
      ] as const) {
        to.rpc.register(methods)
        const remote = from.rpc.client(({ signal }) => from.pool.dial(to.contact, { signal }), methods)
        expect(await clock.until(remote.square({ value: 12 }))).to.deep.equal({ value: 144 })
        expect(await clock.until(remote.sum([1, 2, 3]))).to.equal(6)
        expect(await clock.until(collect(remote.count(1000)))).to.have.length(1000)
        expect(await clock.until(collect(remote.double([1, 2])))).to.deep.equal([2, 4])
        const big = Buffer.alloc(500_000, 'a')
        const { result, body } = await clock.until(remote.upper({ title: 'x' }, [big, big]))
        expect(result).to.deep.equal({ length: 1 })
        expect(await clock.until(textOf(body))).to.equal('A'.repeat(1_000_000))
      }
      await noStreamsLeft()
    })

    it('answers many calls at a time, as many as streams allow or more', async () => {
      callee.rpc.register(methods)
      const remote = caller.rpc.client(connection, methods)
      const values = Array.from({ length: 400 }, (_, value) => value)
      const answers = await clock.until(Promise.all(values.map((value) => remote.square({ value }))))
      expect(answers.map(({ value }) => value)).to.deep.equal(values.map((value) => value ** 2))
      await noStreamsLeft()
    })

    it('tells the handler who calls and when the caller gives up', async () => {
      const contexts: CallContext[] = []
      let left = 0
      const hanging = {
        hang: unary((_input: unknown, context) => {
          contexts.push(context)
          return new Promise<never>(() => undefined)
        }),
        drip: server<null, number>(async function* (_input, context) {
          contexts.push(context)
          try {
            for (;;) {
              await Promise.resolve()
              yield 1
            }
          } finally {
            left++
          }
        })
      }
      callee.rpc.register(hanging)
      const remote = caller.rpc.client(connection, hanging)
      const controller = new AbortController()
      const call = rejection(remote.hang(null, { signal: controller.signal }))
      await clock.advance(1_000)
      expect(contexts[0]!.meta).to.include({ nodeId: caller.id, remote: '10.0.0.1:4433' })
      controller.abort()
      expect(await call).to.include({ code: 'ERR_ABORTED' })
      const items = remote.drip(null)
      await clock.until(items.next())
      await items.return!()
      await clock.advance(3_000)
      for (const { signal } of contexts) expect(signal.reason).to.include({ rpcCode: RpcCode.CANCELLED })
      expect(left).to.equal(1)
      expect(await clock.until(rejection(remote.hang(null, { timer: 500 })))).to.include({ rpcCode: RpcCode.TIMEOUT })
      await noStreamsLeft()
    })

    it('ends calls in the error of a connection that closes', async () => {
      callee.rpc.register({ hang: unary(() => new Promise<never>(() => undefined)) })
      const remote = caller.rpc.client(connection, { hang: unary() })
      const call = rejection(remote.hang(null))
      await clock.advance(1_000)
      callee.pool.disconnect(caller.id)
      expect(await clock.until(call)).to.include({ code: 'ERR_CONNECTION_CLOSED' })
    })
  })
}
