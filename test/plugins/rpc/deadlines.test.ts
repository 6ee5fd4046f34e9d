import { expect } from 'chai'
import { client, duplex, raw, RpcCode, RpcError, server, sleep, unary, type CallContext } from '#src/kernel/index.js'
import { makePair, rejection, type Pair, WAYS } from './harness.js'

const seen: CallContext[] = []
const hang = (_input: unknown, context: CallContext): Promise<never> => {
  seen.push(context)
  return new Promise(() => undefined)
}

for (const [way, options] of WAYS) {
  describe(`rpc: deadlines (${way})`, () => {
    let pair: Pair
    /** Milliseconds that the last call took to time out. */
    let took: number

    async function timesOut(promise: Promise<unknown>): Promise<void> {
      const begun = pair.clock.monotonic()
      const error = await pair.clock.until(rejection(promise))
      took = pair.clock.monotonic() - begun
      expect(error).to.be.instanceOf(RpcError)
      expect(error).to.include({ code: 'ERR_RPC_TIMEOUT', rpcCode: RpcCode.TIMEOUT })
      await pair.settle()
      expect(pair.clock.pending).to.equal(0)
      expect(pair.caller.connection.streams.size).to.equal(0)
      expect(pair.server.connection.streams.size).to.equal(0)
      for (const { signal } of seen) expect(signal.reason).to.include({ rpcCode: RpcCode.TIMEOUT })
    }

    const methods = {
      hang: unary(hang),
      brief: unary(hang, { timeoutMs: 300 }),
      long: unary(
        async (_input: unknown, { timer }: CallContext) => {
          await sleep(pair.clock, 90_000)
          return timer.timeoutMs
        },
        { timeoutMs: 100_000 }
      ),
      stalls: server<null, number>(async function* () {
        yield 1
        yield await new Promise<number>(() => undefined)
      }),
      swallows: client<number, number>(async (input) => {
        for await (const item of input) if (item < 0) return item
        return 0
      }),
      talks: duplex<number, number>(async function* (input) {
        for await (const item of input) yield item
      }),
      bytes: raw<null, null>((_input, body) => ({ result: null, body: body as unknown as AsyncIterable<Uint8Array> })),
      echo: unary((input: unknown) => input)
    }
    const remote = () => pair.caller.rpc.client(pair.caller.connection, methods)

    beforeEach(async () => {
      seen.length = 0
      pair = await makePair({ caller: options, server: options })
      pair.server.rpc.register(methods)
    })

    afterEach(() => pair.stop())

    it('come from the default', async () => {
      await timesOut(remote().hang(1))
      expect(took).to.equal(60_000)
      expect(seen[0]!.timer.timeoutMs).to.equal(60_000)
    })

    it("come from the caller's number or timer, whatever its make", async () => {
      await timesOut(remote().hang(1, { timer: 250 }))
      expect(took).to.equal(250)
      await timesOut(remote().hang(1, { timer: { getTimeout: () => 400 } }))
      expect(took).to.equal(400)
      expect(seen.map(({ timer }) => timer.timeoutMs)).to.deep.equal([250, 400])
    })

    it("come from the input's own metadata, which arrives unchanged", async () => {
      await timesOut(remote().hang({ metadata: { timeout: 120 } }))
      expect(took).to.equal(120)
      for (const timeout of [null, undefined, 500, 'soon', -1]) {
        const input = JSON.parse(JSON.stringify({ metadata: { timeout, other: [1] } })) as object
        expect(await remote().echo(input)).to.deep.equal(input)
      }
    })

    it('come from the method, which may allow more than the default', async () => {
      await timesOut(remote().brief(1))
      expect(took).to.equal(300)
      expect(await pair.clock.until(remote().long(1, { timer: Infinity }))).to.equal(100_000)
    })

    it('are the shorter of both sides', async () => {
      await timesOut(remote().brief(1, { timer: 10_000 }))
      expect(took).to.equal(300)
      await timesOut(remote().brief({ metadata: { timeout: 50 } }, { timer: 100 }))
      expect(took).to.equal(50)
    })

    it('may be none', async () => {
      await pair.stop()
      pair = await makePair({
        caller: { ...options, defaultTimeoutMs: Infinity },
        server: { ...options, defaultTimeoutMs: Infinity }
      })
      pair.server.rpc.register(methods)
      const controller = new AbortController()
      const call = rejection(remote().hang(1, { signal: controller.signal }))
      await pair.clock.advance(10 ** 12)
      expect(pair.clock.pending).to.equal(0)
      expect(seen[0]!.signal.aborted).to.equal(false)
      expect(seen[0]!.timer.getTimeout()).to.equal(Infinity)
      controller.abort()
      expect(await call).to.include({ code: 'ERR_ABORTED' })
    })

    it('hold while a stream of messages stalls', async () => {
      const items = remote().stalls(null)
      expect(await items.next()).to.deep.equal({ done: false, value: 1 })
      await timesOut(items.next())
      expect(took).to.equal(60_000)
      expect(await items.next()).to.have.property('done', true)
    })

    it('hold while the caller sends nothing more, and tell its source', async () => {
      let left = 0
      const source = (): AsyncIterableIterator<number> => ({
        next: () => new Promise(() => undefined),
        return: () => {
          left++
          return Promise.resolve({ done: true, value: undefined })
        },
        [Symbol.asyncIterator]() {
          return this
        }
      })
      await timesOut(remote().swallows(source(), { timer: 100 }))
      await timesOut(remote().talks(source(), { timer: 100 }).next())
      expect(left).to.equal(2)
    })

    it('hold for the bytes of a raw call', async () => {
      const source = (async function* () {
        yield Buffer.from('first')
        await new Promise(() => undefined)
      })()
      const { body } = await remote().bytes(null, source, { timer: 700 })
      const reader = body.getReader()
      expect(Buffer.from((await reader.read()).value!).toString()).to.equal('first')
      await timesOut(reader.read())
      expect(took).to.equal(700)
    })

    it('hold while a connection is sought, and end the search', async () => {
      let searching: AbortSignal | undefined
      const seeker = pair.caller.rpc.client(({ signal }) => {
        searching = signal
        return new Promise(() => undefined)
      }, methods)
      await timesOut(seeker.echo(1, { timer: 50 }))
      expect(searching!.aborted).to.equal(true)
    })

    it('count the time that connecting took', async () => {
      const slow = pair.caller.rpc.client(async () => {
        await sleep(pair.clock, 40)
        return pair.caller.connection
      }, methods)
      await timesOut(slow.hang(1, { timer: 100 }))
      expect(took).to.equal(100)
      expect(seen[0]!.timer.timeoutMs).to.equal(60)
    })

    it('end a call whose request never comes whole', async () => {
      const stream = pair.caller.connection.tryOpen()
      stream.write(Uint8Array.of(0, 0, 0, 9))
      await pair.clock.advance(60_000)
      expect(Buffer.from(stream.read()!).toString()).to.include(String(RpcCode.TIMEOUT))
      expect(pair.server.connection.streams.size).to.equal(0)
      stream.reset(0)
      stream.stop(0)
    })

    it('refuse a timer that tells no time', async () => {
      for (const timer of [NaN, { getTimeout: () => 'soon' as never }]) {
        expect(await rejection(remote().echo(1, { timer }))).to.include({ code: 'ERR_INVALID_INPUT' })
      }
    })
  })
}
