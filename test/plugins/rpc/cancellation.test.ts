import { expect } from 'chai'
import {
  client,
  CloseCode,
  definePlugin,
  duplex,
  raw,
  RpcCode,
  RpcRegistry,
  server,
  STREAM_HIGH_WATER_BYTES,
  unary,
  type CallContext
} from '#src/kernel/index.js'
import { collect, makePair, rejection, type Pair, WAYS } from './harness.js'

for (const [way, options] of WAYS) {
  describe(`rpc: cancellation (${way})`, () => {
    let pair: Pair
    let contexts: CallContext[]
    let left: string[]

    /** An endless source that says when it was left. */
    function endless<T>(name: string, value: T): AsyncIterableIterator<T> {
      return (async function* () {
        try {
          for (;;) {
            await Promise.resolve()
            yield value
          }
        } finally {
          left.push(name)
        }
      })()
    }

    /** A source that gives one value and then nothing, and says when it was left. */
    function stuck<T>(name: string, value: T): AsyncIterableIterator<T> {
      let given = false
      return {
        next: () => {
          if (given) return new Promise(() => undefined)
          given = true
          return Promise.resolve({ done: false, value })
        },
        return: () => {
          left.push(name)
          return Promise.resolve({ done: true, value: undefined })
        },
        [Symbol.asyncIterator]() {
          return this
        }
      }
    }

    const methods = {
      hang: unary((_input: unknown, context: CallContext) => {
        contexts.push(context)
        return new Promise<never>(() => undefined)
      }),
      rejectsLate: unary(async (_input: unknown, context: CallContext) => {
        contexts.push(context)
        await new Promise((_, reject) => {
          context.signal.addEventListener('abort', () => reject(new Error('interrupted')))
        })
      }),
      never: client<number, number>(async (input, context) => {
        contexts.push(context)
        await collect(input)
        return new Promise<never>(() => undefined)
      }),
      first: client<number, number>(async (input) => {
        for await (const item of input) return item
        return -1
      }),
      items: server<string, string>((text, context) => {
        contexts.push(context)
        return endless('server items', text)
      }),
      one: server<null, number>((_input, context) => {
        contexts.push(context)
        return stuck('server item', 1)
      }),
      talk: duplex<number, number>((input, context) => {
        contexts.push(context)
        return input
      }),
      bytes: raw<null, null>((_input, body, context) => {
        contexts.push(context)
        return { result: null, body: body as unknown as AsyncIterable<Uint8Array> }
      })
    }
    const remote = () => pair.caller.rpc.client(pair.caller.connection, methods)

    /** Nothing is left of any call, and every handler was told. */
    async function nothingLeft(rpcCode: number | null = RpcCode.CANCELLED): Promise<void> {
      await pair.settle()
      expect(pair.clock.pending).to.equal(0)
      expect(pair.caller.connection.streams.size).to.equal(0)
      expect(pair.server.connection.streams.size).to.equal(0)
      for (const { signal } of contexts) {
        expect(signal.aborted).to.equal(true)
        if (rpcCode !== null) expect(signal.reason).to.include({ rpcCode })
      }
    }

    beforeEach(async () => {
      contexts = []
      left = []
      pair = await makePair({ caller: options, server: options })
      pair.server.rpc.register(methods)
    })

    afterEach(() => pair.stop())

    it("by the caller's signal reaches the handler, touched before or after", async () => {
      for (const touch of [true, false]) {
        const controller = new AbortController()
        const call = rejection(remote().hang(1, { signal: controller.signal }))
        await pair.clock.advance(10)
        if (touch) expect(contexts.at(-1)!.signal.aborted).to.equal(false)
        controller.abort(new Error('enough'))
        const error = await call
        expect(error).to.include({ code: 'ERR_ABORTED' })
        expect(error.cause).to.include({ message: 'enough' })
      }
      await nothingLeft()
    })

    it('swallows what an interrupted handler rejects with', async () => {
      const controller = new AbortController()
      const call = rejection(remote().rejectsLate(1, { signal: controller.signal }))
      await pair.clock.advance(10)
      controller.abort()
      await call
      await nothingLeft()
    })

    it('before the call opens no stream', async () => {
      const signal = AbortSignal.abort()
      await rejection(remote().hang(1, { signal }))
      await rejection(remote().items('a', { signal }).next())
      expect(pair.caller.connection.opened).to.have.length(0)
    })

    it('leaves no listener on a signal that outlives its calls', async () => {
      const { signal } = new AbortController()
      let listeners = 0
      const count = (by: number, plain: (...parameters: never[]) => void) =>
        function (this: AbortSignal, ...parameters: never[]) {
          listeners += by
          plain.apply(this, parameters)
        }
      signal.addEventListener = count(1, signal.addEventListener.bind(signal))
      signal.removeEventListener = count(-1, signal.removeEventListener.bind(signal))
      await remote().first([1], { signal })
      await pair.clock.until(rejection(remote().hang(1, { signal, timer: 0 })))
      await remote().items('a', { signal }).return!()
      await (await remote().bytes(null, [], { signal })).body.cancel()
      expect(listeners).to.equal(0)
    })

    it('by leaving an iterator ends the server’s own', async () => {
      for await (const text of remote().items('x')) {
        expect(text).to.equal('x')
        break
      }
      await nothingLeft()
      expect(left).to.deep.equal(['server items'])
      expect(pair.caller.connection.opened[0]!.codes).to.deep.equal({
        reset: CloseCode.CANCELLED,
        stop: CloseCode.CANCELLED
      })
    })

    it('by leaving an iterator while it is waiting settles what waits', async () => {
      const items = remote().one(null)
      await items.next()
      const waiting = items.next()
      await items.return!()
      expect(await waiting).to.have.property('done', true)
      await nothingLeft()
      expect(left).to.deep.equal(['server item'])
    })

    it('by leaving a duplex iterator ends both sources', async () => {
      for await (const item of remote().talk(stuck('caller input', 1))) {
        expect(item).to.equal(1)
        break
      }
      await nothingLeft()
      expect(left).to.deep.equal(['caller input'])
    })

    it('by cancelling the body of a raw call', async () => {
      const { body } = await remote().bytes(null, stuck('body', Buffer.from('x')))
      const reader = body.getReader()
      await reader.read()
      await reader.cancel()
      await nothingLeft()
      expect(left).to.deep.equal(['body'])
    })

    it('by a signal errors the body of a raw call that nobody is reading', async () => {
      const controller = new AbortController()
      const { body } = await remote().bytes(null, stuck('body', Buffer.from('x')), { signal: controller.signal })
      controller.abort()
      expect(await rejection(body.getReader().read())).to.include({ code: 'ERR_ABORTED' })
      await nothingLeft()
    })

    it('ends the input when the answer comes first', async () => {
      expect(await remote().first(stuck('input', 7))).to.equal(7)
      contexts = []
      await nothingLeft()
      expect(left).to.deep.equal(['input'])
    })

    it('by an input that fails is that failure', async () => {
      const failing = (function* () {
        yield 1
        throw new Error('out of numbers')
      })()
      expect(await rejection(remote().never(failing))).to.include({ message: 'out of numbers' })
      await nothingLeft()
    })

    it('by the loss of the connection reaches both ends', async () => {
      const calls = [
        remote().hang(1),
        remote().never(stuck('a', 1)),
        remote()
          .talk(stuck('b', 1))
          .next()
          .then(() => remote().one(null).next()),
        remote()
          .bytes(null, stuck('c', Buffer.from('x')))
          .then(({ body }) => body.pipeTo(new WritableStream()))
      ].map((call) => rejection(call as Promise<unknown>))
      await pair.clock.advance(1)
      pair.caller.connection.close(CloseCode.IDLE, 'gone')
      for (const call of [calls[0], calls[1], calls[3]])
        expect(await call).to.include({ code: 'ERR_CONNECTION_CLOSED' })
      await nothingLeft(null)
      for (const { signal } of contexts) expect(signal.reason).to.include({ code: 'ERR_CONNECTION_CLOSED' })
      expect(left).to.include.members(['a', 'b', 'c'])
      expect(await rejection(remote().hang(1))).to.include({ code: 'ERR_CONNECTION_CLOSED' })
    })

    it('lets calls finish whose method is taken back by hand', async () => {
      let answer: (value: number) => void = () => undefined
      const slow = { slow: unary<null, number>(() => new Promise((resolve) => (answer = resolve))) }
      const takeBack = pair.server.rpc.register(slow)
      const client = pair.caller.rpc.client(pair.caller.connection, slow)
      const call = client.slow(null)
      await pair.clock.advance(1)
      takeBack()
      expect(await rejection(client.slow(null))).to.include({ rpcCode: RpcCode.METHOD_NOT_FOUND })
      answer(5)
      expect(await call).to.equal(5)
    })

    it('ends the calls of a plugin that stops', async () => {
      await pair.stop()
      const owner = definePlugin({
        name: 'owner',
        needs: { rpc: RpcRegistry },
        start: ({ rpc }) => void rpc.register(methods)
      })
      pair = await makePair({ caller: options, server: options, serverPlugins: [owner] })
      const call = rejection(remote().hang(1))
      const items = remote().one(null)
      await items.next()
      const last = rejection(items.next())
      await pair.clock.advance(1)
      await pair.clock.until(pair.server.kernel.stop())
      for (const error of [await call, await last]) expect(error).to.include({ rpcCode: RpcCode.CANCELLED })
      for (const { signal } of contexts) expect(signal.reason).to.include({ rpcCode: RpcCode.CANCELLED })
      expect(left).to.deep.equal(['server item'])
    })

    it("ends this node's own calls when it stops", async () => {
      const call = rejection(remote().hang(1))
      await pair.clock.advance(1)
      await pair.clock.until(pair.caller.kernel.stop())
      expect(await call).to.include({ code: 'ERR_ABORTED' })
      expect(await rejection(remote().hang(1))).to.include({ code: 'ERR_ABORTED' })
      await nothingLeft()
    })

    it('waits for a reader that is slow, on both sides', async () => {
      const text = 'x'.repeat(10_000)
      const items = remote().items(text)
      await items.next()
      await pair.clock.advance(10)
      const [stream] = pair.caller.connection.opened
      let unread = 0
      for (let chunk = stream!.read(); chunk instanceof Uint8Array; chunk = stream!.read()) unread += chunk.length
      expect(unread).to.be.within(STREAM_HIGH_WATER_BYTES / 2, STREAM_HIGH_WATER_BYTES + 20_000)
      await items.return!()
      await nothingLeft()
      let sent = 0
      const source = function* () {
        for (;;) {
          sent++
          yield text
        }
      }
      contexts = []
      const talks = pair.caller.rpc.client(pair.caller.connection, { deaf: client<string, null>() })
      pair.server.rpc.register({
        deaf: client<string, null>((_input, context) => {
          contexts.push(context)
          return new Promise<never>(() => undefined)
        })
      })
      const call = rejection(talks.deaf(source(), { timer: 1000 }))
      await pair.clock.advance(10)
      expect(sent).to.be.within(20, 40)
      await pair.clock.until(call)
      await pair.clock.advance(5)
      await nothingLeft(RpcCode.TIMEOUT)
    })
  })
}
