import { expect } from 'chai'
import {
  client,
  duplex,
  raw,
  RpcCode,
  RpcError,
  server,
  unary,
  type Clock,
  type MethodOptions
} from '#src/kernel/index.js'
import { UnaryHandler } from '#src/plugins/rpc/index.js'
import { Load } from '#src/plugins/rpc/load.js'
import { VirtualClock } from '#src/testkit/index.js'
import { collect, makePair, methods, rejection, type Pair } from './harness.js'

const busy = { rpcCode: RpcCode.BUSY }

/** The data of the error that a promise rejects with. */
async function dataOf(promise: Promise<unknown>): Promise<unknown> {
  const error = await rejection(promise)
  expect(error).to.include(busy)
  return error.data
}

describe('rpc: limits of a method', () => {
  let pair: Pair

  beforeEach(async () => {
    pair = await makePair()
  })

  afterEach(() => pair.stop())

  const one = (options: MethodOptions) => {
    pair.server.rpc.register({ one: unary<unknown, number>(() => 1, options) })
    return pair.caller.rpc.client(pair.caller.connection, { one: unary<unknown, number>() }).one
  }
  const reached = (condition: () => boolean) => pair.clock.until(until(condition))
  const until = async (condition: () => boolean) => {
    while (!condition()) await new Promise((resolve) => setImmediate(resolve))
  }

  it('answers BUSY beyond a rate, and says when to come again', async () => {
    for (const limits of [{ rate: { perSecond: 4, burst: 2 } }, { ratePerPeer: { perSecond: 4, burst: 2 } }]) {
      await pair.stop()
      pair = await makePair()
      const call = one({ limits })
      expect([await call(0), await call(0)]).to.deep.equal([1, 1])
      expect(await dataOf(call(0))).to.deep.equal({ retryAfterMs: 250 })
      await pair.clock.advance(250)
      expect(await call(0)).to.equal(1)
    }
  })

  it('takes a token of neither rate when one of them has none', async () => {
    const call = one({ limits: { rate: { perSecond: 1, burst: 2 }, ratePerPeer: { perSecond: 1 } } })
    expect(await call(0)).to.equal(1)
    expect(await dataOf(call(0))).to.deep.equal({ retryAfterMs: 1000 })
    await pair.clock.advance(1000)
    expect(await call(0)).to.equal(1)
  })

  for (const name of ['concurrent', 'concurrentPerPeer'] as const) {
    it(`counts calls of every kind at a time until their handlers have come to rest (${name})`, async () => {
      const ends: (() => void)[] = []
      const end = () => new Promise<void>((resolve) => ends.push(resolve))
      const options: MethodOptions = { limits: { [name]: 1 } }
      const slow = {
        unary: unary<null, null>(async () => (await end(), null), options),
        client: client<null, null>(async () => (await end(), null), options),
        server: server<null, null>(async function* () {
          yield null
          await end()
        }, options),
        duplex: duplex<null, null>(async function* () {
          yield null
          await end()
        }, options),
        raw: raw<null, null>(
          () => ({
            result: null,
            body: (async function* () {
              yield Uint8Array.of(1)
              await end()
            })()
          }),
          options
        )
      }
      pair.server.rpc.register(slow)
      const remote = pair.caller.rpc.client(pair.caller.connection, slow)
      const drained = async (signal?: AbortSignal) =>
        collect((await remote.raw(null, [], { signal })).body as unknown as AsyncIterable<Uint8Array>)
      const calls = {
        unary: (signal?: AbortSignal) => remote.unary(null, { signal }),
        client: (signal?: AbortSignal) => remote.client([], { signal }),
        server: (signal?: AbortSignal) => collect(remote.server(null, { signal })),
        duplex: (signal?: AbortSignal) => collect(remote.duplex([], { signal })),
        raw: drained
      }
      for (const call of Object.values(calls)) {
        const controller = new AbortController()
        const first = rejection(call(controller.signal))
        await reached(() => ends.length === 1)
        expect(await rejection(call())).to.include(busy)
        controller.abort()
        await first
        // The handler that was cancelled has not ended.
        expect(await rejection(call())).to.include(busy)
        ends.pop()?.()
        await pair.clock.advance(0)
        const second = call()
        await reached(() => ends.length === 1)
        ends.pop()?.()
        await second
      }
    })
  }

  it('gives a place back whatever becomes of a raw answer', async () => {
    const options = { limits: { concurrent: 1 } }
    let left = 0
    const body = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise<never>(() => undefined),
        return: () => (left++, Promise.resolve({ done: true as const, value: undefined }))
      })
    }
    let give: (() => void) | undefined
    pair.server.rpc.register({
      long: raw(() => ({ result: 'x'.repeat(5_000_000), body }), options),
      late: raw(async () => {
        await new Promise<void>((resolve) => (give = resolve))
        return { result: null, body }
      }, options)
    })
    const remote = pair.caller.rpc.client(pair.caller.connection, { long: raw(), late: raw() })
    for (const n of [1, 2]) expect(await rejection(remote.long(n, []))).to.include({ rpcCode: -32603 })
    await reached(() => left === 2)
    const controller = new AbortController()
    const late = rejection(remote.late(null, [], { signal: controller.signal }))
    await reached(() => give !== undefined)
    controller.abort()
    await late
    give?.()
    await reached(() => left === 3)
  })

  it('refuses an input that is too long or too deep with INVALID_PARAMS, in a stream too', async () => {
    const limits = { maxInputBytes: 10, maxInputDepth: 1 }
    const told: unknown[] = []
    pair.server.rpc.register({
      one: unary((input) => input, { limits }),
      all: client<unknown, number>(
        async (items, { signal }) => {
          try {
            return (await collect(items)).length
          } catch {
            told.push(signal.reason)
            return -1
          }
        },
        { limits }
      )
    })
    const remote = pair.caller.rpc.client(pair.caller.connection, { one: unary(), all: client<unknown, number>() })
    for (const fine of ['12345678', [1, 2], 7, null, undefined]) await remote.one(fine)
    expect(await remote.all([[1], 2])).to.equal(2)
    for (const [bad, text] of [
      ['123456789', /longer than 10 bytes/],
      [[[]], /deeper than 1/]
    ] as const) {
      for (const call of [remote.one(bad), remote.all([1, bad])]) {
        const error = await rejection(call)
        expect(error).to.include({ rpcCode: RpcCode.INVALID_PARAMS })
        expect(error.message).to.match(text)
      }
    }
    expect(told).to.have.length(2)
  })

  it('asks the access rule, sync or async, for calls of every kind', async () => {
    let allowed = false
    const asked: unknown[] = []
    for (const wait of [false, true]) {
      const takeBack = pair.server.rpc.register(methods, {
        defaults: {
          allow: ({ nodeId }, method) => {
            asked.push([nodeId === pair.server.connection.peer, method])
            return wait ? Promise.resolve(allowed) : allowed
          }
        }
      })
      const remote = pair.caller.rpc.client(pair.caller.connection, methods)
      const calls = () => [
        remote.square({ value: 1 }),
        remote.sum([1]),
        collect(remote.count(2)),
        collect(remote.double([1])),
        remote.upper({ title: '' }, [])
      ]
      allowed = false
      const answers = await Promise.all(calls().map((call) => rejection(call)))
      for (const error of answers) expect(error).to.include({ rpcCode: RpcCode.FORBIDDEN })
      allowed = true
      expect((await Promise.all(calls())).slice(0, 4)).to.deep.equal([{ value: 1 }, 1, [0, 1], [2]])
      takeBack()
    }
    expect(asked).to.have.length(20)
    expect(asked).to.deep.include([true, 'upper'])
  })

  it('hides a method from whom it is not for, whatever its rule throws and however it is called', async () => {
    const rules = [
      () => false,
      () => Promise.reject(new Error('secret')),
      () => {
        throw new Error('secret')
      }
    ]
    const remote = pair.caller.rpc.client(pair.caller.connection, { one: unary(), none: unary() })
    const wrongKind = pair.caller.rpc.client(pair.caller.connection, { one: client<number, number>() })
    const unknown = (await rejection(remote.none(null))).message
    for (const allow of rules) {
      const takeBack = pair.server.rpc.register({ one: unary(() => 1, { allow, hidden: true }) })
      for (const error of [await rejection(remote.one(null)), await rejection(wrongKind.one([1]))]) {
        expect(error).to.include({ rpcCode: RpcCode.METHOD_NOT_FOUND, message: unknown.replace('none', 'one') })
      }
      takeBack()
    }
  })

  it('tells what a rule throws, if the method is not hidden', async () => {
    const call = one({
      allow: () => {
        throw new RpcError(42, 'pay first')
      }
    })
    expect(await rejection(call(0))).to.include({ rpcCode: 42, message: 'pay first' })
  })

  it('takes defaults for classes and for what a method does not say itself', async () => {
    class One extends UnaryHandler<object, null, number> {
      override handle = () => Promise.resolve(1)
    }
    pair.server.rpc.register(
      { asClass: new One({}), plain: unary(() => 1), own: unary(() => 1, { allow: () => true }) },
      { defaults: { allow: () => false } }
    )
    const remote = pair.caller.rpc.client(pair.caller.connection, { asClass: unary(), plain: unary(), own: unary() })
    expect(await rejection(remote.asClass(null))).to.include({ rpcCode: RpcCode.FORBIDDEN })
    expect(await rejection(remote.plain(null))).to.include({ rpcCode: RpcCode.FORBIDDEN })
    expect(await remote.own(null)).to.equal(1)
  })

  it('refuses options that cannot be, and names them', () => {
    const refused = (options: object, text: RegExp) => {
      expect(() => pair.server.rpc.register({ x: { ...unary(() => 1), ...options } }))
        .to.throw(text)
        .with.property('code', 'ERR_INVALID_INPUT')
    }
    refused({ limits: { rate: { perSecond: 0 } } }, /method x: limits.rate.perSecond/)
    refused({ limits: { ratePerPeer: { perSecond: 1, burst: 0.5 } } }, /limits.ratePerPeer.burst/)
    refused({ limits: { concurrent: 0 } }, /limits.concurrent/)
    refused({ limits: { maxInputBytes: 1.5 } }, /limits.maxInputBytes/)
    refused({ limits: { maxInputDepth: -1 } }, /limits.maxInputDepth/)
    refused({ limits: { rates: 1 } }, /limits.rates/)
    refused({ allow: true }, /allow/)
  })
})

describe('rpc: the load of a node', () => {
  it('answers BUSY beyond the calls that all connections may have at a time', async () => {
    const pair = await makePair({ server: { maxTotalCalls: 1 } })
    let end: (() => void) | undefined
    pair.server.rpc.register({ slow: unary(() => new Promise<void>((resolve) => (end = resolve))) })
    const { slow } = pair.caller.rpc.client(pair.caller.connection, { slow: unary() })
    const first = slow(null)
    await pair.clock.advance(0)
    expect(await rejection(slow(null))).to.include(busy)
    end?.()
    await first
    const again = slow(null)
    await pair.clock.advance(0)
    end?.()
    await again
    await pair.stop()
  })

  it('has no room while the event loop is late, and looks at it only if it is told to', async () => {
    const clock = new VirtualClock()
    let late = 0
    const slow: Clock = {
      now: () => clock.now(),
      monotonic: () => clock.monotonic() + late,
      setTimeout: (...parameters) => clock.setTimeout(...parameters),
      hold: () => clock.hold()
    }
    const idle = new Load(slow, { maxTotalCalls: 1, maxLoopDelayMs: Infinity })
    expect(clock.pending).to.equal(0)
    expect(idle.isFull).to.equal(false)
    const load = new Load(slow, { maxTotalCalls: 1, maxLoopDelayMs: 50 })
    await clock.advance(100)
    expect(load.isFull).to.equal(false)
    late = 51
    await clock.advance(100)
    expect(load.isFull).to.equal(true)
    await clock.advance(100)
    expect(load.isFull).to.equal(false)
    load.close()
    expect(clock.pending).to.equal(0)
  })
})
