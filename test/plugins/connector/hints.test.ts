import { expect } from 'chai'
import {
  Connector,
  createKernel,
  Datagrams,
  definePlugin,
  Identity,
  Router,
  Transport,
  type FindStep
} from '#src/kernel/index.js'
import { connectionPool } from '#src/plugins/connection-pool/index.js'
import { connector } from '#src/plugins/connector/index.js'
import { VirtualClock } from '#src/testkit/index.js'
import { FakeTransport, nodeId } from '../connection-pool/doubles.js'
import { contact, done, FakeRouter, found, peer } from './doubles.js'

/** A connector over the real pool, whose router says this at once; only 192.0.2.9 answers. */
async function start(...steps: FindStep[]) {
  const clock = new VirtualClock()
  const transport = new FakeTransport(clock)
  const router = new FakeRouter(clock)
  router.steps = [...steps.map((step) => [0, step] as const), [0]]
  transport.plans.set('192.0.2.9', { ms: 20 })
  const doubles = definePlugin({
    name: 'doubles',
    provides: { router: Router, transport: Transport, datagrams: Datagrams, identity: Identity },
    start: () => ({
      router: router as unknown as Router,
      transport,
      datagrams: { primary: { local: { host: '0.0.0.0', port: 1 } } } as Datagrams,
      identity: { nodeId: nodeId(99) } as Identity
    })
  })
  const kernel = createKernel({ clock, plugins: [doubles, connectionPool, connector] })
  await clock.until(kernel.start())
  return { clock, paths: kernel.resolve(Connector), stop: () => clock.until(kernel.stop()) }
}

describe('a contact that another caller hands in', () => {
  const right = contact('192.0.2.9')

  it('is dialled though the look-up is over and its own contact is being dialled', async () => {
    const { clock, paths, stop } = await start(found('192.0.2.1'), done(true))
    const first = paths.connect(peer)
    await clock.advance(1_000)
    const [a, b] = await clock.until(Promise.all([first, paths.connect(right)]))
    expect(clock.monotonic()).to.equal(1_020)
    expect(a).to.equal(b)
    await stop()
  })

  it('is dialled while the contact of the first caller still is', async () => {
    const { clock, paths, stop } = await start(done(false))
    const first = paths.connect(contact('192.0.2.1'))
    await clock.advance(1_000)
    const [a, b] = await clock.until(Promise.all([first, paths.connect(right)]))
    expect(clock.monotonic()).to.equal(1_020)
    expect(a).to.equal(b)
    await stop()
  })
})
