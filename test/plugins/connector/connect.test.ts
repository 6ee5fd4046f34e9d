import { expect } from 'chai'
import { PeerloomError, type Contact, type NodeId } from '#src/model/index.js'
import {
  ConnectError,
  ConnectionPool,
  Connector,
  createKernel,
  definePlugin,
  Identity,
  Router,
  type ConnectStep,
  type KernelEvent
} from '#src/kernel/index.js'
import { connector, type ConnectorOptions } from '#src/plugins/connector/index.js'
import { VirtualClock } from '#src/testkit/index.js'
import { contact, done, FakePool, FakeRouter, found, guide, nodeId, peer, query, word } from './doubles.js'

async function start(options: ConnectorOptions = {}) {
  const clock = new VirtualClock()
  const router = new FakeRouter(clock)
  const pool = new FakePool(clock)
  const doubles = definePlugin({
    name: 'doubles',
    provides: { router: Router, pool: ConnectionPool, identity: Identity },
    start: () => ({
      router: router as unknown as Router,
      pool: pool.asPool,
      identity: { nodeId: nodeId(9) } as Identity
    })
  })
  const kernel = createKernel({ plugins: [doubles, connector.with(options)], clock })
  const events: KernelEvent[] = []
  kernel.events.subscribe((event) => events.push(event))
  await clock.until(kernel.start())
  const paths = kernel.resolve(Connector)
  const failure = (target: NodeId | Contact): Promise<unknown> =>
    clock.until(
      paths.connect(target).then(
        () => undefined,
        (error: unknown) => error
      )
    )
  const atRest = (): unknown => expect([router.underWay, pool.underWay, clock.pending]).to.deep.equal([0, 0, 0])
  return { clock, router, pool, paths, events, failure, atRest, stop: () => clock.until(kernel.stop()) }
}

describe('connecting to a node id', () => {
  it('looks it up, dials what is found, and tells every step with the attempt', async () => {
    const { clock, router, pool, paths, atRest, stop } = await start()
    router.steps = [[0, query], [40, found('192.0.2.1')], [45, done(true)], [45]]
    pool.plans.set('192.0.2.1', { ms: 20 })
    const steps: ConnectStep[] = []
    paths.connect$(peer).subscribe((step) => steps.push(step))
    await clock.advance(100)
    expect(steps.map(word)).to.deep.equal(['query', 'contact 192.0.2.1', 'dialing 192.0.2.1', 'done', 'connected'])
    const attempts = new Set(steps.map(({ attempt }) => attempt))
    expect([...attempts]).to.deep.equal(router.attempts)
    expect([...attempts][0]).to.match(/^[\w-]{8}$/)
    atRest()
    await stop()
  })

  it('takes the live connection without looking anything up', async () => {
    const { clock, router, pool, paths, atRest, stop } = await start()
    const live = pool.arrive()
    expect(await clock.until(paths.connect(peer))).to.equal(live)
    expect(await clock.until(paths.connect(contact('192.0.2.1')))).to.equal(live)
    expect([router.lookUps, pool.dialled]).to.deep.equal([0, []])
    atRest()
    await stop()
  })

  it('takes the connection of a peer that comes while it is being looked up', async () => {
    const { clock, router, pool, paths, atRest, stop } = await start()
    router.steps = [[0, query]]
    const connected = paths.connect(peer)
    await clock.advance(10)
    const live = pool.arrive()
    expect(await clock.until(connected)).to.equal(live)
    expect(clock.monotonic()).to.equal(10)
    atRest()
    await stop()
  })

  it('reports every candidate and the look-up when nothing connects', async () => {
    const { router, pool, failure, events, atRest, stop } = await start()
    router.steps = [[0, query], [40, found('192.0.2.1')], [50, found('192.0.2.2')], [60, done(true)], [60]]
    pool.plans.set('192.0.2.1', { ms: 20, fails: 'ERR_DIAL' })
    pool.plans.set('192.0.2.2', { ms: 30, fails: 'ERR_PEER_MISMATCH' })
    const error = (await failure(peer)) as ConnectError
    expect(error).to.be.instanceOf(ConnectError).with.property('code', 'ERR_CONNECT')
    expect({ ...error.report, candidates: error.report.candidates.map(({ code, ms }) => [code, ms]) }).to.deep.equal({
      peer,
      ms: 80,
      candidates: [
        ['ERR_DIAL', 20],
        ['ERR_PEER_MISMATCH', 30]
      ],
      discovery: { found: true, hops: 2, contacted: [guide, nodeId(2)] }
    })
    const told = events.find(({ type }) => type === 'connect.failed')
    expect(told).to.include({ peer, error, ms: 80, attempt: router.attempts[0] })
    atRest()
    await stop()
  })

  it('says that a node was not found', async () => {
    const { router, failure, stop } = await start()
    router.steps = [[0, query], [40, done(false)], [40]]
    expect(await failure(peer)).to.have.property('code', 'ERR_NOT_FOUND')
    await stop()
  })

  it('ends at its deadline, with the dials that had no answer and the nodes that were asked in the report', async () => {
    const { router, failure, atRest, stop } = await start({ connectTimeoutMs: 5_000 })
    router.steps = [
      [0, query],
      [1_000, found('192.0.2.1')]
    ]
    const error = (await failure(peer)) as ConnectError
    expect(error.cause).to.have.property('code', 'ERR_DEADLINE')
    const { ms, candidates, discovery } = error.report
    expect([ms, candidates.map(({ code, ms }) => [code, ms])]).to.deep.equal([5_000, [['ERR_DEADLINE', 4_000]]])
    expect(discovery).to.deep.equal({ found: true, hops: 1, contacted: [guide] })
    atRest()
    await stop()
  })
})

describe('connecting to a contact', () => {
  it('dials its addresses without looking anything up', async () => {
    const { clock, router, pool, paths, atRest, stop } = await start()
    pool.plans.set('192.0.2.1', { ms: 20 })
    await clock.until(paths.connect(contact('192.0.2.1')))
    expect([router.lookUps, clock.monotonic()]).to.deep.equal([0, 20])
    atRest()
    await stop()
  })

  it('looks the node up when they all fail, and does not dial them again', async () => {
    const { clock, router, pool, paths, stop } = await start()
    router.steps = [[10, found('192.0.2.1', '192.0.2.2')], [10, done(true)], [10]]
    pool.plans.set('192.0.2.1', { ms: 20, fails: 'ERR_DIAL' })
    pool.plans.set('192.0.2.2', { ms: 20 })
    await clock.until(paths.connect(contact('192.0.2.1')))
    expect(pool.dialled).to.deep.equal(['192.0.2.1@0', '192.0.2.2@30'])
    await stop()
  })

  it('reports its addresses though the look-up found nothing', async () => {
    const { router, pool, failure, stop } = await start()
    router.steps = [[10, done(false)], [10]]
    pool.plans.set('192.0.2.1', { ms: 20, fails: 'ERR_DIAL' })
    const error = (await failure(contact('192.0.2.1'))) as ConnectError
    expect([error.code, error.report.candidates.length, error.report.discovery?.found]).to.deep.equal([
      'ERR_CONNECT',
      1,
      false
    ])
    await stop()
  })
})

describe('an attempt to connect', () => {
  it('is shared: late callers get the steps so far, and what they know is dialled', async () => {
    const { clock, router, pool, paths, atRest, stop } = await start()
    router.steps = [[0, query]]
    pool.plans.set('192.0.2.5', { ms: 20 })
    const [early, late]: ConnectStep[][] = [[], []]
    paths.connect$(peer).subscribe((step) => early!.push(step))
    await clock.advance(100)
    paths.connect$(contact('192.0.2.5')).subscribe((step) => late!.push(step))
    await clock.advance(100)
    expect(router.lookUps).to.equal(1)
    expect(late!.map(word)).to.deep.equal(['query', 'contact 192.0.2.5', 'dialing 192.0.2.5', 'connected'])
    expect(early).to.deep.equal(late)
    atRest()
    await stop()
  })

  it('goes on until its last caller has gone, and then leaves nothing', async () => {
    const { clock, router, pool, paths, events, atRest, stop } = await start()
    router.steps = [
      [0, query],
      [10, found('192.0.2.1')]
    ]
    const abort = new AbortController()
    const first = paths.connect$(peer).subscribe()
    const second = paths.connect(peer, { signal: abort.signal }).catch((error: unknown) => error)
    await clock.advance(100)
    first.unsubscribe()
    expect([router.underWay, pool.underWay]).to.deep.equal([1, 1])
    abort.abort(new PeerloomError('ERR_X', 'my own reason'))
    expect(await clock.until(second)).to.have.property('code', 'ERR_X')
    atRest()
    expect(events.some(({ type }) => type === 'connect.failed')).to.equal(false)
    await stop()
  })

  it('is a new one after it failed, even for a caller that tries again within the failure', async () => {
    const { clock, router, paths, stop } = await start()
    router.steps = [[10, done(false)], [10]]
    const again = new Promise((resolve) => {
      paths.connect$(peer).subscribe({
        error: () => paths.connect$(peer).subscribe({ error: resolve })
      })
    })
    await clock.until(again)
    expect(router.lookUps).to.equal(2)
    expect(new Set(router.attempts).size).to.equal(2)
    await stop()
  })

  it('does not begin for a signal that is aborted, or for what is no node id', async () => {
    const { router, paths, stop } = await start()
    const aborted: unknown = await paths.connect(peer, { signal: AbortSignal.abort() }).catch((error: unknown) => error)
    expect(aborted).to.have.property('code', 'ERR_ABORTED')
    const malformed: unknown = await paths.connect('v123' as NodeId).catch((error: unknown) => error)
    expect(malformed).to.have.property('code', 'ERR_INVALID_INPUT')
    const itself: unknown = await paths.connect(nodeId(9)).catch((error: unknown) => error)
    expect(itself).to.have.property('code', 'ERR_INVALID_INPUT')
    expect(router.lookUps).to.equal(0)
    await stop()
  })

  it('ends with the plugin', async () => {
    const { clock, router, paths, atRest, stop } = await start()
    router.steps = [[0, query]]
    const connected = paths.connect(peer).catch((error: unknown) => error)
    await clock.advance(10)
    await stop()
    expect(await clock.until(connected)).to.have.property('code', 'ERR_ABORTED')
    atRest()
  })

  it('keeps the reason when the pool refuses', async () => {
    const { router, pool, failure, stop } = await start()
    router.steps = [[0, found('192.0.2.1')]]
    pool.refuses = new PeerloomError('ERR_LIMIT', 'full')
    const error = (await failure(peer)) as ConnectError
    expect([error.code, error.cause]).to.deep.equal(['ERR_CONNECT', pool.refuses])
    await stop()
  })
})
