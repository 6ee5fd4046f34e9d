import { expect } from 'chai'
import { client, duplex, RpcCode, server } from '#src/kernel/index.js'
import { collect, makePair, rejection, type Pair } from './harness.js'

const idle = { code: 'ERR_RPC_IDLE', rpcCode: RpcCode.IDLE }
const never = () => new Promise<never>(() => undefined)

async function* oneThenNothing(): AsyncGenerator<number> {
  yield 1
  await never()
}

async function* everyMs(pair: Pair, ms: number, count: number): AsyncGenerator<number> {
  for (let n = 0; n < count; n++) {
    await new Promise<void>((resolve) => pair.clock.setTimeout(resolve, ms))
    yield n
  }
}

describe('rpc: the idle limit of streams', () => {
  let pair: Pair
  let told: unknown[]

  beforeEach(async () => {
    pair = await makePair()
    told = []
  })

  afterEach(() => pair.stop())

  const noted = (signal: AbortSignal) => {
    signal.addEventListener('abort', () => told.push(signal.reason))
  }

  it('ends a call whose caller sends no item for too long, at both ends', async () => {
    const options = { idleTimeoutMs: 100 }
    const handlers = {
      all: client<number, number>(async (items, { signal }) => (noted(signal), (await collect(items)).length), options),
      each: duplex<number, number>(async function* (items, { signal }) {
        noted(signal)
        yield* items
      }, options)
    }
    pair.server.rpc.register(handlers)
    const manifest = { all: client<number, number>(), each: duplex<number, number>() }
    const remote = pair.caller.rpc.client(pair.caller.connection, manifest)
    const calls = [rejection(remote.all(oneThenNothing())), rejection(collect(remote.each(oneThenNothing())))]
    await pair.clock.advance(99)
    expect(told).to.deep.equal([])
    await pair.clock.advance(2)
    for (const error of await Promise.all(calls)) expect(error).to.include(idle)
    for (const reason of told) expect(reason).to.include(idle)
    expect(told).to.have.length(2)
    await pair.settle()
    expect(pair.clock.pending).to.equal(0)
  })

  it('ends a call whose handler gives no item for too long, at both ends', async () => {
    pair.server.rpc.register({
      many: server<null, number>(async function* (_input, { signal }) {
        noted(signal)
        yield 1
        await never()
      })
    })
    const many = server<null, number>(undefined, { idleTimeoutMs: 100 })
    const remote = pair.caller.rpc.client(pair.caller.connection, { many })
    const items = [remote.many(null), remote.many(null, { idleTimeoutMs: 50 })] as const
    for (const each of items) expect(await each.next()).to.deep.equal({ done: false, value: 1 })
    const [long, short] = items.map((each) => rejection(each.next()))
    await pair.clock.advance(51)
    expect(await short).to.include(idle)
    await pair.clock.advance(50)
    expect(await long).to.include(idle)
    await pair.clock.advance(0)
    expect(told).to.have.length(2)
    for (const reason of told) expect(reason).to.include(idle)
  })

  it('ends a call whose caller takes nothing, and one whose handler does not', async () => {
    const long = 'x'.repeat(100_000)
    const handlers = {
      many: server<null, string>(
        function* (_input, { signal }) {
          noted(signal)
          for (;;) yield long
        },
        { idleTimeoutMs: 100 }
      ),
      none: client<string, null>((_items, { signal }) => (noted(signal), never()))
    }
    pair.server.rpc.register(handlers)
    const manifest = { many: server<null, string>(), none: client<string, null>(undefined, { idleTimeoutMs: 100 }) }
    const remote = pair.caller.rpc.client(pair.caller.connection, manifest)
    const items = remote.many(null)
    const endless = (function* () {
      for (;;) yield long
    })()
    const full = rejection(remote.none(endless))
    await items.next()
    await pair.clock.advance(150)
    expect(await full).to.include(idle)
    expect(told).to.have.length(2)
    for (const reason of told) expect(reason).to.include(idle)
    await rejection(collect(items))
  })

  it('lets calls go on for as long as they move, and readers who take their time', async () => {
    await pair.stop()
    pair = await makePair({ caller: { defaultIdleTimeoutMs: 100 }, server: { defaultIdleTimeoutMs: 100 } })
    const api = {
      all: client<number, number>(async (items) => (await collect(items)).length),
      many: server<null, number>(() => everyMs(pair, 90, 10))
    }
    pair.server.rpc.register(api)
    const remote = pair.caller.rpc.client(pair.caller.connection, api)
    expect(await pair.clock.until(remote.all(everyMs(pair, 90, 10)))).to.equal(10)
    expect(await pair.clock.until(collect(remote.many(null)))).to.have.length(10)
    const items = remote.many(null)
    await pair.clock.advance(1000)
    await pair.clock.until(items.next())
    await items.return?.()
    await pair.settle()
    expect(pair.clock.pending).to.equal(0)
  })

  it('is refused if it is no time', async () => {
    const { connection, rpc } = pair.caller
    const remote = rpc.client(connection, { many: server<null, number>() })
    for (const idleTimeoutMs of [0, -1, NaN, 'x' as never]) {
      expect(await rejection(remote.many(null, { idleTimeoutMs }).next())).to.include({ code: 'ERR_INVALID_INPUT' })
      expect(() => rpc.register({ many: server(() => [], { idleTimeoutMs }) }))
        .to.throw()
        .with.property('code', 'ERR_INVALID_INPUT')
    }
  })
})
