import { expect } from 'chai'
import {
  ConnectionPaths,
  ofType,
  Paths,
  PeerloomError,
  type Connection,
  type EventOf,
  type PathChange,
  type PathUser
} from '#src/kernel/index.js'
import { MemoryNetwork } from '#src/plugins/memory-network/index.js'
import { TestCarrier } from '#src/testkit/conformance/test-carrier.js'
import { createTestNetwork, seededRandom, VirtualClock } from '#src/testkit/index.js'
import { testIdentity } from '../memory-transport/identities.js'
import { startNode, type TestNode, type TestNodeOptions } from '../memory-transport/nodes.js'

interface Pair {
  readonly clock: VirtualClock
  readonly a: TestNode
  readonly b: TestNode
  readonly outbound: Connection
  readonly inbound: Connection
}

async function connectedPair(options: Partial<TestNodeOptions> = {}): Promise<Pair> {
  const clock = new VirtualClock()
  const network = new MemoryNetwork({ clock, random: seededRandom(1), latencyMs: 10 })
  const [a, b] = [await startNode(1, { network, clock, ...options }), await startNode(2, { network, clock })]
  const accepted = new Promise<Connection>((resolve) => (b.transport.onConnection = resolve))
  const outbound = await clock.until(a.transport.dial(b.identity.nodeId, b.address))
  return { clock, a, b, outbound, inbound: await clock.until(accepted) }
}

const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => (error as { code: unknown }).code
  )

type PathEvent = EventOf<'path.proved' | 'path.moved' | 'path.lost'>

describe('the plugin that keeps paths', () => {
  it('tells on the stream of events what becomes of paths', async () => {
    const { clock, a, b, outbound } = await connectedPair()
    const events: PathEvent[] = []
    a.kernel.events.pipe(ofType('path.proved', 'path.moved', 'path.lost')).subscribe((event) => events.push(event))
    const second = await a.datagrams.open()
    const letGo = a.transport.carry(second)
    const before = outbound.path
    const path = await clock.until(outbound.probe(b.address, { via: second }))
    await clock.until(outbound.migrate(path))
    await clock.until(outbound.migrate(before))
    letGo()
    const common = { plugin: 'paths', peer: b.identity.nodeId, connection: outbound.id, ...path }
    expect(events.map((event) => Object.assign({ ...event }, { time: undefined }))).to.deep.equal(
      [
        { ...common, type: 'path.proved', ms: 20 },
        { ...common, type: 'path.moved', before, by: 'us', ms: 20 },
        { ...common, ...before, type: 'path.moved', before: path, by: 'us', ms: 20 },
        { ...common, type: 'path.lost' }
      ].map((event) => ({ ...event, time: undefined }))
    )
  })

  it('serves one transport, and listens once to each socket', async () => {
    const { a } = await connectedPair()
    const keeper = a.kernel.resolve(Paths)
    expect(() => keeper.serve(() => undefined))
      .to.throw(PeerloomError)
      .with.property('code', 'ERR_STATE')
    const second = await a.datagrams.open()
    const stop = keeper.listen(second)
    expect(() => keeper.listen(second))
      .to.throw(PeerloomError)
      .with.property('code', 'ERR_STATE')
    expect(() => keeper.listen(a.datagrams.primary))
      .to.throw(PeerloomError)
      .with.property('code', 'ERR_STATE')
    stop()
    const stopAgain = keeper.listen(second)
    stop()
    expect(() => keeper.listen(second)).to.throw(PeerloomError, /^probes are taken/)
    stopAgain()
    a.transport.carry(second)()
  })

  it('drops and counts what is no probe, or for no connection of ours', async () => {
    const { clock, a, b } = await connectedPair()
    const keeper = b.kernel.resolve(Paths)
    const junk = [
      Uint8Array.of(0x20),
      Uint8Array.of(0x2f, ...new Uint8Array(100)),
      Uint8Array.of(0x20, 3, ...new Uint8Array(100)),
      Uint8Array.of(0x20, 21, ...new Uint8Array(100)),
      Uint8Array.of(0x21, 8, ...new Uint8Array(39)),
      Uint8Array.of(0x20, 8, ...new Uint8Array(1_300))
    ]
    await clock.advance(100)
    const { sent } = b.datagrams.primary.stats
    for (const data of junk) a.datagrams.primary.send(data, b.address)
    await clock.advance(100)
    expect(keeper.stats().dropped).to.deep.equal({ malformed: 5, 'unknown connection': 1 })
    expect(b.datagrams.primary.stats.sent).to.equal(sent)
  })

  it('counts a flood of forged probes for a live connection, answers none, and goes on', async () => {
    const { clock, a, b, outbound, inbound } = await connectedPair()
    // A genuine one, that never arrives.
    const { near, far } = TestCarrier.pair(clock)
    a.transport.carry(near)
    const overheard = new Promise<Uint8Array>((resolve) => far.receive('probe', resolve))
    outbound.probe(far.local, { via: near, timeoutMs: 50 }).catch(() => undefined)
    const genuine = await clock.until(overheard)
    await clock.advance(100)
    const { sent } = b.datagrams.primary.stats
    for (let i = 0; i < 2_000; i++) {
      const forged = Uint8Array.from(genuine)
      forged[10 + (i % 24)]! ^= 1 + ((i >> 5) % 255)
      a.datagrams.primary.send(forged, b.address)
    }
    await clock.advance(100)
    expect(b.kernel.resolve(Paths).stats().dropped).to.deep.equal({ 'not genuine': 2_000 })
    expect(b.datagrams.primary.stats.sent).to.equal(sent)
    expect(inbound.paths).to.have.length(1)
    await clock.until(outbound.probe(b.address))
  })

  it('refuses what cannot carry the datagrams of the connection, and says so', async () => {
    const { clock, a, outbound } = await connectedPair()
    const { near, far } = TestCarrier.pair(clock)
    const small = Object.assign(near, { maxDatagramBytes: 1_200 })
    a.transport.carry(small)
    const refused = outbound.probe(far.local, { via: small })
    expect(await codeOf(refused)).to.equal('ERR_PATH')
    expect(await refused.catch((error: unknown) => (error as Error).message)).to.contain(
      '1350 bytes, and no more than 1200'
    )
    expect(await codeOf(outbound.probe(far.local, { timeoutMs: -1 }))).to.equal('ERR_PATH')
    expect(await codeOf(outbound.probe(outbound.remote, { timeoutMs: NaN }))).to.equal('ERR_INVALID_INPUT')
  })

  it('limits the probes that are under way on a connection', async () => {
    const { clock, outbound } = await connectedPair()
    const nowhere = (i: number) => ({ host: '10.0.0.99', port: i + 1 })
    const codes = await clock.until(
      Promise.all(Array.from({ length: 60 }, (_, i) => codeOf(outbound.probe(nowhere(i)))))
    )
    expect(codes).to.deep.equal([...Array<string>(48).fill('ERR_PATH'), ...Array<string>(12).fill('ERR_LIMIT')])
    expect(clock.monotonic()).to.be.within(4_000, 4_100)
  })

  it('leaves a connection alone whose peer has no usable key', async () => {
    const identity = {
      ...testIdentity(1),
      sharedKey: () => {
        throw new PeerloomError('ERR_INVALID_INPUT', 'of small order')
      }
    }
    const { clock, b, outbound, inbound } = await connectedPair({ identity })
    expect(await clock.until(codeOf(outbound.probe(b.address, { timeoutMs: 500 })))).to.equal('ERR_PATH')
    expect(await clock.until(codeOf(inbound.probe(inbound.remote, { timeoutMs: 500 })))).to.equal('ERR_PATH')
    expect(outbound.closeInfo).to.equal(undefined)
  })

  it('leaves no timer when the nodes stop', async () => {
    const { clock, a, b, outbound } = await connectedPair()
    const second = await a.datagrams.open()
    a.transport.carry(second)
    await clock.until(outbound.migrate(await clock.until(outbound.probe(b.address, { via: second }))))
    const pending = codeOf(outbound.probe({ host: '10.0.0.99', port: 1 }))
    await clock.until(Promise.all([a.kernel.stop(), b.kernel.stop()]))
    expect(await pending).to.equal('ERR_CONNECTION_CLOSED')
    await clock.advance(100)
    expect(clock.pending).to.equal(0)
  })

  it('moves the connections of whole nodes, with keys that they agree on', async () => {
    await using network = await createTestNetwork({ nodes: 2 })
    const [alice, bob] = network.nodes
    const connection = await network.until(alice.connect(bob.contact))
    expect(await network.until(connection.probe(bob.addresses[0]!))).to.deep.equal(connection.path)
  })
})

describe('the paths that a connection shows', () => {
  const path = { local: { host: '10.0.0.1', port: 1 }, remote: { host: '10.0.0.2', port: 2 } }
  const user = { path } as PathUser
  const over = new PeerloomError('ERR_CONNECTION_CLOSED', 'over')

  it('are the one in use where nobody keeps any', async () => {
    const shown = new ConnectionPaths(undefined, user)
    let isOver = false
    shown.paths$.subscribe({ complete: () => (isOver = true) })
    expect(shown.paths).to.deep.equal([path])
    expect(await codeOf(shown.probe(path.remote))).to.equal('ERR_PATH')
    expect(await codeOf(shown.migrate(path))).to.equal('ERR_PATH')
    shown.end(over)
    expect(isOver).to.equal(true)
    expect(await codeOf(shown.probe(path.remote))).to.equal('ERR_CONNECTION_CLOSED')
    let late = false
    shown.paths$.subscribe({ complete: () => (late = true) })
    expect(late).to.equal(true)
  })

  it('are kept from when somebody asks', async () => {
    const { outbound, b } = await connectedPair()
    const changes: PathChange[] = []
    let made = 0
    const keep: Paths['keep'] = () => {
      made++
      return { paths: [path], hasOthers: false, paths$: outbound.paths$, end: () => undefined } as never
    }
    const shown = new ConnectionPaths({ keep } as Paths, user)
    expect([shown.paths, shown.ifKept, made]).to.deep.equal([[path], undefined, 0])
    shown.paths$.subscribe((change) => changes.push(change))
    expect([shown.ifKept === shown.kept, made]).to.deep.equal([true, 1])
    shown.end(over)
    const ended = new ConnectionPaths({ keep } as Paths, user)
    ended.end(over)
    expect([ended.kept, made]).to.deep.equal([undefined, 1])
    expect(b.identity.nodeId).to.equal(outbound.peer)
  })
})
