import { expect } from 'chai'
import { parse } from 'valibot'
import { forPlugin, ofType, RpcCode, unary, type MethodMap } from '#src/kernel/index.js'
import { rpcEnvironment } from '#src/plugins/rpc/environment.js'
import { rpcOptions } from '#src/plugins/rpc/options.js'
import { Registry } from '#src/plugins/rpc/registry.js'
import { seededRandom, VirtualClock } from '#src/testkit/index.js'
import { makePair, methods, rejection, type Pair } from './harness.js'

const one = unary(() => 1)

const bare = () =>
  new Registry(
    rpcEnvironment({ clock: new VirtualClock(), random: seededRandom(1) }, parse(rpcOptions, {}), () => undefined)
  )

describe('rpc: the registry', () => {
  let pair: Pair

  beforeEach(async () => {
    pair = await makePair()
  })

  afterEach(() => pair.stop())

  const refused = (methods: MethodMap, namespace?: string) => {
    const before = pair.server.rpc.methods.length
    expect(() => pair.server.rpc.register(methods, namespace === undefined ? {} : { namespace }))
      .to.throw()
      .with.property('code', 'ERR_INVALID_INPUT')
    expect(pair.server.rpc.methods).to.have.length(before)
  }

  it('refuses a name that is taken, and then offers none of the others', () => {
    pair.server.rpc.register({ taken: one })
    refused({ fresh: one, taken: one })
    expect(pair.server.rpc.methods).to.deep.equal([{ name: 'taken', kind: 'unary', plugin: 'application' }])
  })

  it('refuses malformed and reserved names, methods without a handler and odd timeouts', () => {
    for (const name of ['', 'a b', 'ä', 'rpc.x', 'x'.repeat(129), 'a/b']) refused({ [name]: one })
    refused({ x: one }, 'rpc')
    refused({ x: one }, '')
    refused({ x: unary() })
    for (const method of [null, undefined, 7, {}, { kind: 'odd', handle: () => 1 }]) refused({ x: method as never })
    for (const timeoutMs of [0, -1, NaN]) refused({ x: { ...one, timeoutMs } })
  })

  it('refuses what is no map, no manifest and no connection', async () => {
    const { connection, rpc } = pair.caller
    for (const wrong of [undefined, null, 7, 'x'] as never[]) {
      for (const work of [
        () => rpc.register(wrong),
        () => rpc.client(connection, wrong),
        () => rpc.client(wrong, { one })
      ]) {
        expect(work).to.throw().with.property('code', 'ERR_INVALID_INPUT')
      }
      expect(await rejection(rpc.methodsOf(wrong))).to.include({ code: 'ERR_INVALID_INPUT' })
    }
  })

  it('refuses a signal that is none, in calls of every kind', async () => {
    pair.server.rpc.register({ ...methods, again: { ...one, idempotent: true } })
    const manifest = { ...methods, again: { ...one, idempotent: true } }
    const remote = pair.caller.rpc.client(pair.caller.connection, manifest)
    for (const signal of [null, 7, {}, { aborted: false }] as never[]) {
      const calls = [
        remote.square({ value: 1 }, { signal }),
        remote.again(null, { signal, retry: {} }),
        remote.again(null, { signal, hedge: { afterMs: 1 } }),
        remote.sum([1], { signal }),
        remote.count(1, { signal }).next(),
        remote.double([1], { signal }).next(),
        remote.upper({ title: '' }, [], { signal })
      ]
      for (const error of await Promise.all(calls.map(rejection))) {
        expect(error).to.include({ code: 'ERR_INVALID_INPUT' })
      }
    }
    expect(await remote.square({ value: 2 }, { signal: undefined })).to.deep.equal({ value: 4 })
  })

  it('offers under a namespace what is called under it', async () => {
    const takeBack = pair.server.rpc.register({ ping: one }, { namespace: 'kad' })
    expect(pair.server.rpc.methods.map(({ name }) => name)).to.deep.equal(['kad.ping'])
    const remote = pair.caller.rpc.client(pair.caller.connection, { ping: one }, { namespace: 'kad' })
    expect(await remote.ping(null)).to.equal(1)
    takeBack()
    takeBack()
    expect(await rejection(remote.ping(null))).to.include({ rpcCode: RpcCode.METHOD_NOT_FOUND })
    pair.server.rpc.register({ ping: one }, { namespace: 'kad' })
    takeBack()
    expect(await remote.ping(null)).to.equal(1)
  })

  it('gives functions for what the manifest names, and nothing else', () => {
    const remote = pair.caller.rpc.client(pair.caller.connection, { ['__proto__']: one, ping: one })
    expect(Object.keys(remote)).to.deep.equal(['__proto__', 'ping'])
    expect(remote).not.to.have.property('then')
    expect(JSON.stringify(remote)).to.equal('{}')
    for (const entry of [null, {}, { type: 'ODD' }]) {
      expect(() => pair.caller.rpc.client(pair.caller.connection, { x: entry as never }))
        .to.throw()
        .with.property('code', 'ERR_INVALID_INPUT')
    }
  })

  it('knows who registered what, and takes it back when that plugin stops', () => {
    const implementation = bare()
    const stops = new Map<string, () => void>()
    const view = (name: string) => {
      const cleanUps = new Set<() => unknown>()
      stops.set(name, () => {
        for (const cleanUp of [...cleanUps].reverse()) cleanUp()
      })
      return implementation[forPlugin]({
        name,
        defer: (cleanUp) => {
          cleanUps.add(cleanUp)
          return () => cleanUps.delete(cleanUp)
        }
      })
    }
    const [first, second] = [view('first'), view('second')]
    first.register({ a: one })
    first.register({ b: one })
    second.register({ c: one })
    expect(first.methods.map(({ name, plugin }) => `${plugin}: ${name}`)).to.deep.equal([
      'first: a',
      'first: b',
      'second: c'
    ])
    stops.get('first')?.()
    expect(second.methods.map(({ name }) => name)).to.deep.equal(['c'])
  })

  it('registers nothing more with its consumer however often methods come and go', () => {
    let cleanUps = 0
    const implementation = bare()
    const view = implementation[forPlugin]({
      name: 'busy',
      defer: () => {
        cleanUps++
        return () => {
          cleanUps--
        }
      }
    })
    for (let i = 0; i < 100; i++) view.register({ a: one })()
    expect(cleanUps).to.equal(1)
  })

  it('answers BUSY beyond the calls it serves at a time, until handlers have really ended', async () => {
    await pair.stop()
    pair = await makePair({ server: { maxConcurrentCalls: 2 } })
    const ends: (() => void)[] = []
    pair.server.rpc.register({ slow: unary(() => new Promise<void>((resolve) => ends.push(resolve))), fast: one })
    const remote = pair.caller.rpc.client(pair.caller.connection, { slow: unary(), fast: one })
    const controller = new AbortController()
    const calls = [1, 2].map((n) => rejection(remote.slow(n, { signal: controller.signal })))
    await pair.clock.advance(1)
    expect(await rejection(remote.fast(null))).to.include({ rpcCode: RpcCode.BUSY })
    // A caller that cancels and calls again would otherwise start any number of handlers.
    controller.abort()
    await Promise.all(calls)
    await pair.clock.advance(1)
    expect(await rejection(remote.fast(null))).to.include({ rpcCode: RpcCode.BUSY })
    for (const end of ends) end()
    await pair.clock.advance(1)
    expect(await remote.fast(null)).to.equal(1)
  })

  it('tells of each call that was served', async () => {
    const told: unknown[] = []
    pair.server.kernel.events
      .pipe(ofType('rpc.served'))
      .subscribe(({ method, rpcCode }) => told.push([method, rpcCode]))
    pair.server.rpc.register({ one })
    const remote = pair.caller.rpc.client(pair.caller.connection, { one, two: unary() })
    await remote.one(null)
    await rejection(remote.two(null))
    await pair.clock.advance(0)
    expect(told).to.deep.equal([
      ['one', undefined],
      ['two', RpcCode.METHOD_NOT_FOUND]
    ])
  })
})
