import { expect } from 'chai'
import {
  definePlugin,
  InvalidInputError,
  raw,
  RpcCode,
  RpcError,
  RpcRegistry,
  server,
  unary,
  type CallContext,
  type Connection
} from '#src/kernel/index.js'
import { collect, methods, rejection, textOf } from './harness.js'
import { memoryWorld, quicWorld, type Node, type World } from './worlds.js'

/** A reader that does not read must keep what is written below this; it is more than any transport has on the way. */
const MAX_UNREAD_BYTES = 8_000_000

const never = (): Promise<never> => new Promise(() => undefined)

for (const [name, makeWorld] of [
  ['a clean network', () => memoryWorld({ latencyMs: 10 })],
  ['a network that loses one packet in ten', () => memoryWorld({ latencyMs: 10, lossRate: 0.1 })],
  ['QUIC', quicWorld]
] as const) {
  describe(`rpc: over ${name}`, function () {
    this.timeout(20_000)
    let world: World
    let caller: Node
    let callee: Node
    let connection: Connection
    let contexts: CallContext[]
    let left: string[]

    /** Gives one value and then nothing; says when it was left. */
    const stuck = <T>(who: string, value: T): AsyncIterableIterator<T> => {
      let given = false
      return {
        next: () => {
          if (given) return never()
          given = true
          return Promise.resolve({ done: false, value })
        },
        return: () => {
          left.push(who)
          return Promise.resolve({ done: true, value: undefined })
        },
        [Symbol.asyncIterator]() {
          return this
        }
      }
    }

    const idle = {
      hang: unary((_input: unknown, context: CallContext) => {
        contexts.push(context)
        return never()
      }),
      drip: server<null, number>((_input, context) => {
        contexts.push(context)
        return stuck('items', 1)
      }),
      bytes: raw<null, null>((_input, _body, context) => {
        contexts.push(context)
        return { result: null, body: stuck('body', Buffer.from('x')) }
      })
    }

    beforeEach(async () => {
      contexts = []
      left = []
      world = makeWorld()
      caller = await world.startNode(1)
      callee = await world.startNode(2)
      connection = await world.until(caller.pool.dial(callee.contact))
    })

    afterEach(() => world.until(Promise.all([caller.kernel.stop(), callee.kernel.stop()])))

    const noStreamsLeft = (): Promise<void> =>
      world.happens(() =>
        [caller, callee].every(({ pool }) => [...pool.connections].every((one) => one.stats().streams === 0))
      )

    const allAborted = async (count: number, rpcCode: number): Promise<void> => {
      await world.happens(() => contexts.length === count && contexts.every(({ signal }) => signal.aborted))
      for (const { signal } of contexts) expect(signal.reason).to.include({ rpcCode })
    }

    it('answers each kind, in both directions', async () => {
      for (const [from, to] of [
        [caller, callee],
        [callee, caller]
      ] as const) {
        to.rpc.register(methods)
        const remote = from.rpc.client(({ signal }) => from.pool.dial(to.contact, { signal }), methods)
        expect(await world.until(remote.square({ value: 12 }))).to.deep.equal({ value: 144 })
        expect(await world.until(remote.sum([1, 2, 3]))).to.equal(6)
        expect(await world.until(collect(remote.count(1000)))).to.have.length(1000)
        expect(await world.until(collect(remote.double([1, 2])))).to.deep.equal([2, 4])
        const big = Buffer.alloc(500_000, 'a')
        const { result, body } = await world.until(remote.upper({ title: 'x' }, [big, big]))
        expect(result).to.deep.equal({ length: 1 })
        expect(await world.until(textOf(body))).to.equal('A'.repeat(1_000_000))
      }
      expect([...caller.pool.connections]).to.have.length(1)
      await noStreamsLeft()
    })

    for (const [count, rounds] of [
      [200, 5],
      [1_200, 1]
    ] as const) {
      it(`answers ${String(count * rounds)} calls, ${String(count)} at a time`, async () => {
        callee.rpc.register(methods)
        const remote = caller.rpc.client(connection, methods)
        const values = Array.from({ length: count }, (_, value) => value)
        for (let round = 0; round < rounds; round++) {
          const answers = await world.until(Promise.all(values.map((value) => remote.square({ value }))))
          expect(answers.map(({ value }) => value)).to.deep.equal(values.map((value) => value ** 2))
        }
        await noStreamsLeft()
      })
    }

    it('tells an idle handler that its caller gave up, by a signal', async () => {
      callee.rpc.register(idle)
      const remote = caller.rpc.client(connection, idle)
      const controller = new AbortController()
      const call = rejection(remote.hang(null, { signal: controller.signal }))
      await world.happens(() => contexts.length === 1)
      expect(contexts[0]!.meta).to.include({ nodeId: caller.id })
      expect(contexts[0]!.signal.aborted).to.equal(false)
      controller.abort()
      expect(await call).to.include({ code: 'ERR_ABORTED' })
      await allAborted(1, RpcCode.CANCELLED)
      await noStreamsLeft()
    })

    it('tells one of many idle handlers that its caller gave up', async () => {
      callee.rpc.register(idle)
      const remote = caller.rpc.client(connection, idle)
      const controllers = Array.from({ length: 150 }, () => new AbortController())
      const calls = controllers.map(({ signal }, i) => rejection(remote.hang(i, { signal })))
      await world.happens(() => contexts.length === calls.length)
      controllers[99]!.abort()
      await calls[99]
      await world.happens(() => contexts.some(({ signal }) => signal.aborted))
      expect(contexts.filter(({ signal }) => signal.aborted)).to.have.length(1)
      for (const controller of controllers) controller.abort()
      await Promise.all(calls)
      await world.happens(() => contexts.every(({ signal }) => signal.aborted))
      await noStreamsLeft()
    })

    it('tells an idle handler that its iterator was left', async () => {
      callee.rpc.register(idle)
      const items = caller.rpc.client(connection, idle).drip(null)
      expect(await world.until(items.next())).to.deep.equal({ done: false, value: 1 })
      await items.return!()
      await allAborted(1, RpcCode.CANCELLED)
      await world.happens(() => left.includes('items'))
      await noStreamsLeft()
    })

    it('tells an idle handler that its body was cancelled', async () => {
      callee.rpc.register(idle)
      const { body } = await world.until(caller.rpc.client(connection, idle).bytes(null, []))
      const reader = body.getReader()
      expect(Buffer.from((await world.until(reader.read())).value!).toString()).to.equal('x')
      await reader.cancel()
      await allAborted(1, RpcCode.CANCELLED)
      await world.happens(() => left.includes('body'))
      await noStreamsLeft()
    })

    it('ends calls that take too long, at both ends', async () => {
      callee.rpc.register({ ...idle, brief: unary(never, { timeoutMs: 50 }) })
      const remote = caller.rpc.client(connection, { ...idle, brief: unary() })
      expect(await world.until(rejection(remote.brief(null)))).to.include({ rpcCode: RpcCode.TIMEOUT })
      expect(await world.until(rejection(remote.hang(null, { timer: 300 })))).to.include({ rpcCode: RpcCode.TIMEOUT })
      await allAborted(1, RpcCode.TIMEOUT)
      await noStreamsLeft()
    })

    it('carries errors with their codes', async () => {
      const failing = {
        own: unary(() => {
          throw new RpcError(1234, 'of its own', { data: { why: [1] } })
        }),
        plain: unary(() => Promise.reject(new Error('just so'))),
        input: unary(() => {
          throw new InvalidInputError('not that')
        }),
        late: server<null, number>(function* () {
          yield 1
          throw new RpcError(77, 'half-way')
        })
      }
      callee.rpc.register(failing)
      const remote = caller.rpc.client(connection, { ...failing, missing: unary() })
      const error = await world.until(rejection(remote.own(null)))
      expect(error).to.include({ rpcCode: 1234, message: 'of its own' })
      expect(error.data).to.deep.equal({ why: [1] })
      expect(await world.until(rejection(remote.plain(null)))).to.include({ rpcCode: RpcCode.HANDLER_FAILED })
      expect(await world.until(rejection(remote.input(null)))).to.include({ rpcCode: RpcCode.INVALID_PARAMS })
      expect(await world.until(rejection(remote.missing(null)))).to.include({ rpcCode: RpcCode.METHOD_NOT_FOUND })
      const items = remote.late(null)
      expect(await world.until(items.next())).to.deep.equal({ done: false, value: 1 })
      expect(await world.until(rejection(items.next()))).to.include({ rpcCode: 77 })
      await noStreamsLeft()
    })

    it('makes a writer wait for a reader that is slow', async () => {
      const text = 'x'.repeat(10_000)
      let sent = 0
      const pouring = {
        pour: server<null, string>(async function* () {
          for (;;) {
            await Promise.resolve()
            sent++
            yield text
          }
        }),
        square: methods.square
      }
      callee.rpc.register(pouring)
      const remote = caller.rpc.client(connection, pouring)
      const items = remote.pour(null)
      await world.until(items.next())
      // Time goes by in which the writer could write on, and other calls are not held up.
      for (let value = 0; value < 50; value++) await world.until(remote.square({ value }))
      const before = sent
      expect(before * text.length).to.be.below(MAX_UNREAD_BYTES)
      while (sent === before) await world.until(items.next())
      await items.return!()
      await noStreamsLeft()
    })

    it('ends the calls of a plugin that stops', async () => {
      const owner = definePlugin({
        name: 'owner',
        needs: { rpc: RpcRegistry },
        start: ({ rpc }) => void rpc.register(idle)
      })
      const other = await world.startNode(3, owner)
      const direct = await world.until(caller.pool.dial(other.contact))
      const call = rejection(caller.rpc.client(direct, idle).hang(null))
      await world.happens(() => contexts.length === 1)
      await world.until(other.kernel.stop())
      // Whether the answer gets through before the connection goes is the transport's affair.
      expect((await world.until(call)).code).to.be.oneOf(['ERR_RPC', 'ERR_CONNECTION_CLOSED'])
      await allAborted(1, RpcCode.CANCELLED)
    })

    it('ends calls in the error of a connection that closes', async () => {
      callee.rpc.register(idle)
      const call = rejection(caller.rpc.client(connection, idle).hang(null))
      await world.happens(() => contexts.length === 1)
      callee.pool.disconnect(caller.id)
      expect(await world.until(call)).to.include({ code: 'ERR_CONNECTION_CLOSED' })
    })
  })
}
