import { expect } from 'chai'
import {
  ofType,
  RpcCode,
  RpcError,
  server,
  unary,
  type CallEnd,
  type ClientMiddleware,
  type Middleware,
  type ServerMiddleware
} from '#src/kernel/index.js'
import { collect, makePair, methods, rejection, textOf, type Pair } from './harness.js'

const noted = (trace: unknown[], name: string): Middleware => {
  return async (call) => {
    trace.push(`${name} in`)
    const outcome = await call.next()
    trace.push(`${name} out`)
    return outcome
  }
}

describe('rpc: middleware', () => {
  let pair: Pair

  beforeEach(async () => {
    pair = await makePair()
  })

  afterEach(() => pair.stop())

  const clientWith = (...use: ClientMiddleware[]) => pair.caller.rpc.client(pair.caller.connection, methods, { use })

  const callAll = async (remote: ReturnType<typeof clientWith>) => [
    await remote.square({ value: 3 }),
    await remote.sum([1, 2]),
    await collect(remote.count(2)),
    await collect(remote.double([1, 2])),
    await textOf((await remote.upper({ title: 'abc' }, [Buffer.from('x')])).body)
  ]
  const answers = [{ value: 9 }, 3, [0, 1], [2, 4], 'X']

  it('is run in its order: of the registry, then of the registration; what is first is outermost', async () => {
    const trace: unknown[] = []
    pair.server.rpc.register(
      { one: unary(() => trace.push('handler')) },
      { use: [noted(trace, 'c'), noted(trace, 'd')] }
    )
    pair.server.rpc.use(noted(trace, 'a'))
    const off = pair.server.rpc.use(noted(trace, 'b'))
    const { one } = pair.caller.rpc.client(
      pair.caller.connection,
      { one: unary() },
      { use: [noted(trace, '1'), noted(trace, '2')] }
    )
    await one(null)
    const inwards = ['1', '2', 'a', 'b', 'c', 'd']
    expect(trace).to.deep.equal([
      ...inwards.map((name) => `${name} in`),
      'handler',
      ...inwards.reverse().map((name) => `${name} out`)
    ])
    off()
    off()
    trace.length = 0
    await one(null)
    expect(trace).to.include('a in').and.not.to.include('b in')
  })

  it('sees calls of every kind on either side, and each end once', async () => {
    const seen: unknown[] = []
    const ends: CallEnd[] = []
    const watch: Middleware = (call) => {
      seen.push([call.side, call.kind, call.method, call.peer])
      call.onEnd((end) => ends.push(end))
      return call.next()
    }
    pair.server.rpc.register(methods)
    pair.server.rpc.use((call) => {
      expect(call.plugin).to.equal('application')
      expect(call.context.meta.nodeId).to.equal(call.peer)
      return watch(call)
    })
    expect(await callAll(clientWith(watch))).to.deep.equal(answers)
    await pair.clock.advance(0)
    const expected = Object.entries(methods).flatMap(([method, { kind }]) => [
      ['client', kind, method, pair.caller.connection.peer],
      ['server', kind, method, pair.server.connection.peer]
    ])
    expect(seen).to.deep.equal(expected)
    expect(ends).to.have.length(10)
    for (const end of ends) expect(end).to.have.all.keys('ms')
  })

  it('is told how a call failed, and that a stream was left', async () => {
    const ends: unknown[] = []
    const watch: Middleware = (call) => {
      call.onEnd(({ error }) => ends.push([call.side, (error as Error | undefined)?.message]))
      return call.next()
    }
    const bad = {
      fails: server<null, number>(function* () {
        yield 1
        throw new RpcError(7, 'half-way')
      }),
      endless: server<null, number>(function* () {
        for (;;) yield 1
      })
    }
    pair.server.rpc.register(bad, { use: [watch] })
    const remote = pair.caller.rpc.client(pair.caller.connection, bad, { use: [watch] })
    await rejection(collect(remote.fails(null)))
    await pair.clock.advance(0)
    expect(ends).to.have.deep.members([
      ['client', 'half-way'],
      ['server', 'half-way']
    ])
    ends.length = 0
    const items = remote.endless(null)
    await items.next()
    await items.return?.()
    await pair.clock.advance(0)
    expect(ends).to.have.deep.members([
      ['client', undefined],
      ['server', undefined]
    ])
    expect(pair.server.connection.streams.size).to.equal(0)
  })

  it('refuses calls of every kind, before and after it went on', async () => {
    let released = 0
    const refusals: Middleware[] = [
      () => {
        throw new RpcError(RpcCode.FORBIDDEN, 'no')
      },
      async (call) => {
        await call.next()
        throw new RpcError(RpcCode.FORBIDDEN, 'no')
      }
    ]
    for (const refuse of refusals) {
      for (const side of ['client', 'server'] as const) {
        await pair.stop()
        pair = await makePair()
        pair.server.rpc.register(methods, {
          defaults: { limits: { concurrent: 1 } },
          ...(side === 'server' && { use: [refuse] })
        })
        const remote = clientWith(...(side === 'client' ? [refuse] : []))
        const calls = () => [
          remote.square({ value: 3 }),
          remote.sum([1, 2]),
          collect(remote.count(2)),
          collect(remote.double([1, 2])),
          remote.upper({ title: 'abc' }, [Buffer.from('x')])
        ]
        // Again, since what a call has taken must be given back.
        for (const attempt of [1, 2]) {
          for (const error of await Promise.all(calls().map(rejection))) {
            expect(error, `${side} ${attempt}`).to.include({ rpcCode: RpcCode.FORBIDDEN, message: 'no' })
            released++
          }
          await pair.settle()
          expect(pair.server.connection.streams.size).to.equal(0)
          expect(pair.caller.connection.streams.size).to.equal(0)
          expect(pair.clock.pending).to.equal(0)
        }
      }
    }
    expect(released).to.equal(40)
  })

  it('changes inputs and outcomes', async () => {
    pair.server.rpc.register(methods)
    const change: Middleware = async (call) => {
      if (call.kind === 'unary') {
        const { value } = (await call.next({ input: { value: 5 } })) as { value: number }
        return { value: value + 1 }
      }
      if (call.kind === 'duplex') {
        const items = await call.next()
        return (async function* () {
          for await (const item of items) yield (item as number) + 1
        })()
      }
      return call.next()
    }
    const expected = [{ value: 26 }, 3, [0, 1], [3, 5], 'X']
    expect(await callAll(clientWith(change))).to.deep.equal(expected)
    pair.server.rpc.use(change)
    expect(await callAll(clientWith())).to.deep.equal(expected)
  })

  it('changes the options of the calls that it sees', async () => {
    pair.server.rpc.register({ hang: unary(() => new Promise(() => undefined)) })
    const { hang } = pair.caller.rpc.client(
      pair.caller.connection,
      { hang: unary() },
      { use: [(call) => call.next({ options: { ...call.options, timer: 50 } })] }
    )
    const failed = rejection(hang(null))
    await pair.clock.advance(50)
    expect(await failed).to.include({ code: 'ERR_RPC_TIMEOUT' })
  })

  it('harms nobody with a listener that throws, and says so', async () => {
    const warnings: string[] = []
    pair.server.kernel.events.pipe(ofType('node.warning')).subscribe(({ message }) => warnings.push(message))
    pair.server.rpc.register({ one: unary(() => 1) })
    pair.server.rpc.use((call) => {
      call.onEnd(() => {
        throw new Error('oops')
      })
      return call.next()
    })
    const remote = pair.caller.rpc.client(pair.caller.connection, { one: unary() })
    expect(await remote.one(null)).to.equal(1)
    expect(warnings).to.deep.equal(['a listener of a call threw: oops'])
  })

  it('is refused if it is none', () => {
    const none = 7 as unknown as ServerMiddleware & ClientMiddleware
    for (const refused of [
      () => pair.server.rpc.use(none),
      () => pair.server.rpc.register({ one: unary(() => 1) }, { use: [none] }),
      () => pair.server.rpc.register({ one: unary(() => 1) }, { use: none as never }),
      () => pair.caller.rpc.client(pair.caller.connection, methods, { use: [none] })
    ]) {
      expect(refused).to.throw().with.property('code', 'ERR_INVALID_INPUT')
    }
    expect(pair.server.rpc.methods).to.deep.equal([])
  })
})
