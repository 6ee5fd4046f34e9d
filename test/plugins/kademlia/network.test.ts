import { expect } from 'chai'
import { lastValueFrom } from 'rxjs'
import {
  createKernel,
  definePlugin,
  Identity,
  Router,
  RpcRegistry,
  unary,
  type FindResult,
  type Kernel,
  type Plugin
} from '#src/kernel/index.js'
import { Address, Contact, NodeId } from '#src/model/index.js'
import { connectionPool } from '#src/plugins/connection-pool/index.js'
import { identity } from '#src/plugins/identity/index.js'
import { kademlia } from '#src/plugins/kademlia/index.js'
import { memoryNetwork, MemoryNetwork } from '#src/plugins/memory-network/index.js'
import { memoryTransport } from '#src/plugins/memory-transport/index.js'
import { rpc } from '#src/plugins/rpc/index.js'
import { VirtualClock } from '#src/testkit/index.js'
import { contact, ids, key, seeded } from './support.js'

const NODES = 30
const LATENCY_MS = 50
const REFRESH_MS = 60_000
const missing = NodeId.fromBytes(key('missing'))

interface TestNode {
  readonly kernel: Kernel
  readonly contact: Contact
  readonly host: string
}

const routerOf = ({ kernel }: TestNode): Router => kernel.resolve(Router)

/** Answers every question with more contacts than anyone may, most of them no contacts at all. */
const hostile = definePlugin({
  name: 'hostile',
  needs: { rpc: RpcRegistry },
  start({ rpc: registry }) {
    const contacts = Array.from({ length: 5_000 }, (_, n) =>
      n % 2 === 0 ? `garbage ${n}` : String(contact(9_000 + n))
    )
    registry.register(
      { ping: unary<object, object>(() => ({})), findNode: unary<object, object>(() => ({ contacts })) },
      { namespace: 'kad' }
    )
  }
})

describe('kademlia on a simulated network', function () {
  this.timeout(60_000)
  const clock = new VirtualClock()
  const network = new MemoryNetwork({ clock, random: seeded(1), latencyMs: LATENCY_MS })
  let nodes: TestNode[]

  async function start(n: number, top: Plugin = kademlia.with({ refreshIntervalMs: REFRESH_MS })): Promise<TestNode> {
    const host = `10.0.0.${n}`
    const kernel = createKernel({
      clock,
      random: seeded(n),
      plugins: [
        identity.with({ seed: Uint8Array.from(key(`seed ${n}`)) }),
        memoryNetwork.with({ network, host, port: 4433 }),
        memoryTransport,
        connectionPool,
        rpc,
        top
      ]
    })
    await clock.until(kernel.start())
    const { nodeId } = kernel.resolve(Identity)
    return { kernel, host, contact: Contact.of(nodeId, [Address.of(host, 4433)]) }
  }

  before(async () => {
    nodes = [await start(1)]
    for (let n = 2; n <= NODES; n++) nodes.push(await start(n))
    const [seed, ...others] = nodes as [TestNode, ...TestNode[]]
    await clock.until(Promise.all(others.map((node) => routerOf(node).join([seed.contact]))))
  })

  after(async () => {
    for (const { kernel } of nodes) await clock.until(kernel.stop())
    // What the last ones sent is still under way.
    await clock.advance(LATENCY_MS)
    expect(clock.pending).to.equal(0)
  })

  it('finds every other node from one that knew only the seed', async () => {
    const late = await start(NODES + 1)
    await clock.until(routerOf(late).join([nodes[0]!.contact]))
    for (const { contact: wanted } of nodes) {
      const found = await clock.until(routerOf(late).find(wanted.id))
      expect(found.addresses).to.deep.equal(wanted.addresses)
    }
    nodes.push(late)
  })

  it('joins through a seed that is known by name, and passes no name on', async () => {
    network.name('seed.example', [nodes[0]!.host])
    const late = await start(NODES + 2)
    const seed = Contact.of(nodes[0]!.contact.id, [Address.of('seed.example', 4433)])
    expect(await clock.until(routerOf(late).join([seed]))).to.be.above(1)
    const known = routerOf(late).closest(seed.id, 1)
    expect(known.map(String)).to.deep.equal([String(nodes[0]!.contact)])
    nodes.push(late)
  })

  it('ends for an id that is not there', async () => {
    const done = (await clock.until(lastValueFrom(routerOf(nodes[7]!).find$(missing)))) as FindResult
    expect(done.found).to.equal(false)
    expect(done.closest.length).to.equal(20)
  })

  it('is not harmed by a peer that answers with thousands of contacts and garbage, and counts them', async () => {
    const liar = await start(200, hostile)
    const victim = await start(201)
    const router = routerOf(victim)
    await clock.until(router.join([liar.contact, nodes[0]!.contact]))
    for (const { contact: wanted } of nodes) await clock.until(router.find(wanted.id))
    await clock.advance(10_000)
    const { dropped } = router.stats()
    expect(dropped['malformed-contact']).to.be.above(0)
    expect(dropped['excess-contact']).to.be.at.least(5_000 - 20)
    const real = ids([...nodes, liar].map((each) => each.contact))
    expect(real).to.include.members(ids(router.closest(missing, 1_000)))
    for (const { kernel } of [liar, victim]) await clock.until(kernel.stop())
  })

  it('evicts nodes that were killed', async () => {
    const dead = nodes.splice(20)
    for (const node of dead) {
      network.host(node.host).up = false
      await clock.until(node.kernel.stop())
    }
    await clock.advance(5 * REFRESH_MS)
    const gone = new Set(ids(dead.map((each) => each.contact)))
    for (const node of nodes) {
      const left = routerOf(node).closest(missing, 1_000)
      expect(left.length).to.be.above(0)
      expect(ids(left).filter((id) => gone.has(id))).to.deep.equal([])
    }
  })
})
