import { getEventListeners } from 'node:events'
import { expect } from 'chai'
import { firstValueFrom, lastValueFrom, toArray } from 'rxjs'
import type { FindResult } from '#src/kernel/index.js'
import { Contact, NodeId } from '#src/model/index.js'
import { bucketIndex, BUCKETS } from '#src/plugins/kademlia/distance.js'
import { K } from '#src/plugins/kademlia/routing-table.js'
import { MAX_PINGS, MAX_PINGS_WAITING, stayMs } from '#src/plugins/kademlia/verifier.js'
import { SmallWorld, type SmallNode } from './small-world.js'
import { byDistance, contact, ids, key } from './support.js'

const HOUR_MS = 3_600_000
const missing = NodeId.fromBytes(key('missing'))

describe('kademlia router', () => {
  let world: SmallWorld
  beforeEach(() => (world = new SmallWorld()))
  afterEach(async () => {
    await world.stop()
    expect(world.clock.pending, 'timers after stop').to.equal(0)
  })

  const failure = async (promise: Promise<unknown>): Promise<unknown> =>
    world.clock.until(
      promise.then(
        () => expect.fail('it did not fail'),
        (error: unknown) => error
      )
    )
  const steps = async (node: SmallNode, target: NodeId): Promise<FindResult> =>
    (await world.clock.until(lastValueFrom(node.router.find$(target)))) as FindResult

  it('finds every node of a network from one that knows only the seed', async () => {
    const nodes = await world.network(30)
    const late = await world.start(99)
    await world.clock.until(late.router.join([nodes[0]!.contact]))
    for (const { contact: wanted } of nodes.slice(1)) {
      const found = await world.clock.until(late.router.find(wanted.id))
      expect(found.addresses).to.deep.equal(wanted.addresses)
    }
    expect(late.events.map(({ type }) => type)).to.include.members([
      'routing.added',
      'routing.joined',
      'discovery.done'
    ])
    for (const node of nodes) expect(node.router.size, 'the others learn of it').to.be.above(0)
  }).timeout(20_000)

  it('tells each step of a look-up, also as events of its attempt', async () => {
    const nodes = await world.network(30)
    const [node] = nodes.slice(-1) as [SmallNode]
    const told = await world.clock.until(lastValueFrom(node.router.find$(missing, { attempt: 'a1' }).pipe(toArray())))
    const done = told.at(-1) as FindResult
    expect(done).to.deep.include({ type: 'done', found: false })
    expect(done.hops).to.be.at.least(1)
    expect(ids(done.closest)).to.deep.equal(ids(byDistance(key('missing'), done.closest)))
    expect(done.closest.length).to.equal(K)
    const asked = told.flatMap((step) => (step.type === 'query' ? [step.node] : []))
    expect(asked).to.deep.equal(done.contacted)
    const attempt = node.events.filter((event) => event.attempt === 'a1').map(({ type }) => type)
    const queries = done.contacted.map(() => 'discovery.query')
    expect(attempt).to.deep.equal(['discovery.started', ...queries, 'discovery.done'])
  }).timeout(20_000)

  it('rejects with ERR_NOT_FOUND for a node that is not there', async () => {
    const nodes = await world.network(5)
    expect(await failure(nodes[2]!.router.find(missing))).to.have.property('code', 'ERR_NOT_FOUND')
  })

  it('knows a peer that it is connected to without asking anyone', async () => {
    const [seed, other] = await world.network(2)
    const told = await world.clock.until(lastValueFrom(seed!.router.find$(other!.contact.id).pipe(toArray())))
    expect(told.map(({ type }) => type)).to.deep.equal(['contact', 'done'])
    expect(told.at(-1)).to.deep.include({ found: true, hops: 0, contacted: [] })
  })

  it('tells both sides of a first call about each other', async () => {
    const [a, b] = [await world.start(1), await world.start(2)]
    await world.clock.until(a.router.join([b.contact]))
    await world.clock.advance(1_000)
    expect(ids(a.router.closest(missing))).to.deep.equal([b.contact.id])
    expect(ids(b.router.closest(missing))).to.deep.equal([a.contact.id])
    expect(b.dialled, 'over the connection that was there').to.deep.equal([])
  })

  it('takes nobody into the table who has not answered', async () => {
    const [honest, liar] = [await world.start(1), await world.start(2)]
    const invented = Array.from({ length: K }, (_, n) => String(contact(1_000 + n)))
    liar.methods.set('kad.findNode', () => ({ contacts: invented }))
    await world.clock.until(honest.router.join([liar.contact]))
    await world.clock.until(lastValueFrom(honest.router.find$(missing)))
    expect(ids(honest.router.closest(missing, 100))).to.deep.equal([liar.contact.id])
  })

  it('survives any answer, and counts what it refuses', async () => {
    const [honest, liar] = [await world.start(1), await world.start(2)]
    await world.clock.until(honest.router.join([liar.contact]))
    await world.clock.advance(60_000)
    const id = contact(7).id
    const thousands = Array.from({ length: 5_000 }, (_, n) => String(contact(2_000 + n)))
    const answers: [unknown, string, number][] = [
      [undefined, 'malformed-answer', 1],
      [null, 'malformed-answer', 1],
      ['garbage', 'malformed-answer', 1],
      [{ contacts: { length: 3 } }, 'malformed-answer', 1],
      [{ contacts: [1, null, {}, '', 'x', `${id}@`, `${id}@10.0.0.1:0`, 'y'.repeat(1e6)] }, 'malformed-contact', 8],
      [{ contacts: [`${id}@0.0.0.0:1`, `${id}@127.0.0.1:1`, `${id}@evil.example:1`] }, 'unusable-contact', 3],
      [{ contacts: thousands }, 'excess-contact', 5_000 - K],
      [{ contacts: [String(honest.contact), String(liar.contact)] }, 'excess-contact', 0]
    ]
    for (const [answer, cause, times] of answers) {
      liar.methods.set('kad.findNode', () => answer)
      const before = honest.router.stats().dropped[cause] ?? 0
      const done = await steps(honest, missing)
      expect(done.found).to.equal(false)
      expect((honest.router.stats().dropped[cause] ?? 0) - before, cause).to.equal(times)
      expect(done.contacted).not.to.include(honest.contact.id)
    }
    expect(honest.router.stats().contacts).to.equal(1)
  })

  it('keeps the usable addresses of a contact', async () => {
    const [honest, liar] = [await world.start(1), await world.start(2)]
    liar.methods.set('kad.findNode', () => ({
      contacts: [`${missing}@0.0.0.0:1,10.1.1.1:5,seed.example:1,127.0.0.1:2`]
    }))
    await world.clock.until(honest.router.join([liar.contact]))
    expect(String(await world.clock.until(honest.router.find(missing)))).to.equal(`${missing}@10.1.1.1:5`)
  })

  it('refuses a request that names no node', async () => {
    const node = await world.start(1)
    for (const input of [undefined, null, {}, { target: 1 }, { target: 'x' }, { target: missing.toUpperCase() }]) {
      expect(
        () => node.methods.get('kad.findNode')!(input, { meta: { nodeId: contact(2).id } } as never),
        JSON.stringify(input)
      )
        .to.throw()
        .with.property('code', 'ERR_INVALID_INPUT')
    }
  })

  it('answers with at most k contacts, the caller left out', async () => {
    const nodes = await world.network(30)
    const [seed, caller] = nodes as [SmallNode, SmallNode]
    const answer = (await seed.methods.get('kad.findNode')!({ target: caller.contact.id }, {
      meta: { nodeId: caller.contact.id }
    } as never)) as { contacts: string[] }
    expect(answer.contacts.length).to.equal(K)
    expect(ids(answer.contacts.map((text) => Contact.parse(text)))).not.to.include(caller.contact.id)
  }).timeout(20_000)

  it('evicts nodes that are gone, once a ping has shown it', async () => {
    const nodes = await world.network(12, { refreshIntervalMs: HOUR_MS })
    const [dead, alive] = [nodes.slice(8), nodes.slice(0, 8)]
    for (const node of dead) await world.kill(node)
    await world.clock.advance(4 * HOUR_MS)
    for (const node of alive) {
      const known = ids(node.router.closest(missing, 100))
      expect(known).to.have.members(ids(alive.filter((other) => other !== node).map((other) => other.contact)))
      const removed = node.events.filter(({ type }) => type === 'routing.removed')
      expect(removed.length).to.equal(dead.length)
    }
  }).timeout(20_000)

  it('wants connections to its contacts kept, the nearer the longer, and not to those it has dropped', async () => {
    const nodes = await world.network(12, { refreshIntervalMs: HOUR_MS })
    const [node] = nodes as [SmallNode]
    const buckets = new Map(
      node.events.flatMap((event) => (event.type === 'routing.added' ? [[event.node, event.bucket] as const] : []))
    )
    expect(new Map([...buckets].map(([id, bucket]) => [id, stayMs(bucket)]))).to.deep.equal(node.stays)
    expect([stayMs(255), stayMs(0)]).to.deep.equal([60_000, 60_000 + 2 * HOUR_MS])
    expect(stayMs(253)).to.be.above(stayMs(254))
    const dead = nodes.slice(8)
    for (const each of dead) await world.kill(each)
    await world.clock.advance(4 * HOUR_MS)
    expect(node.stays.size).to.equal(7)
    expect(ids(dead.map((each) => each.contact)).filter((id) => node.stays.has(id))).to.deep.equal([])
  }).timeout(20_000)

  it('forgets a contact by which it could not be connected to, so that the next look-up asks others', async () => {
    const nodes = await world.network(4)
    const [asker, moved] = nodes.slice(2) as [SmallNode, SmallNode]
    await world.clock.advance(60_000)
    await world.kill(moved)
    expect((await steps(asker, moved.contact.id)).found, 'it is in the table').to.equal(true)
    asker.report(moved.contact.id)
    await world.clock.advance(60_000)
    expect((await steps(asker, moved.contact.id)).hops, 'others still know it').to.equal(1)
  })

  it('looks into its farther buckets once it has joined', async () => {
    const nodes = await world.network(8)
    const late = await world.start(99)
    await world.clock.until(late.router.join([nodes[0]!.contact]))
    const joined = late.events.length
    await world.clock.advance(10_000)
    const own = NodeId.toBytes(late.contact.id)
    const buckets = late.events
      .slice(joined)
      .flatMap((event) => (event.type === 'discovery.started' ? [event.target] : []))
      .map((target) => bucketIndex(own, NodeId.toBytes(target)))
    const nearest = Math.min(...nodes.map((node) => bucketIndex(own, NodeId.toBytes(node.contact.id))))
    expect(buckets).to.include.members(Array.from({ length: BUCKETS - nearest }, (_, i) => nearest + i))
  })

  it('forgets nobody when it is itself cut off', async () => {
    const nodes = await world.network(6)
    const [lonely] = nodes.slice(-1) as [SmallNode]
    const before = ids(lonely.router.closest(missing, 100))
    await world.clock.advance(10_000)
    world.cut.add(lonely.contact.id)
    await world.clock.advance(5 * HOUR_MS)
    expect(ids(lonely.router.closest(missing, 100))).to.have.members(before)
  })

  it('bounds the pings that strangers can cause', async () => {
    const node = await world.start(1)
    const flood = 500
    for (let n = 0; n < flood; n++) {
      const stranger = contact(3_000 + n)
      node.connections.set(stranger.id, { peer: stranger.id, remote: stranger.addresses[0] } as never)
      for (let i = 0; i < 3; i++) await node.methods.get('kad.ping')!({}, { meta: { nodeId: stranger.id } } as never)
    }
    const dropped = node.router.stats().dropped['unverified-candidate']
    expect(dropped).to.equal((flood - MAX_PINGS - MAX_PINGS_WAITING) * 3)
    await world.clock.advance(600_000)
    expect(node.router.size).to.equal(0)
  })

  it('rejects a join with ERR_CONNECT if no seed answers, and goes on trying by itself', async () => {
    const node = await world.start(1)
    const seed = contact(2)
    const error = await failure(node.router.join([seed, contact(3)]))
    expect(error).to.have.property('code', 'ERR_CONNECT')
    expect(await world.clock.until(node.router.join([])), 'no seeds, no failure').to.equal(0)
    await failure(node.router.join([seed]))
    await world.start(2)
    await world.clock.advance(120_000)
    expect(ids(node.router.closest(missing))).to.deep.equal([seed.id])
  })

  it('joins by whichever seed answers, and never by itself', async () => {
    const [a, b] = [await world.start(1), await world.start(2)]
    expect(await world.clock.until(a.router.join([contact(50), a.contact, b.contact]))).to.equal(1)
    expect(await world.clock.until(b.router.join([b.contact]))).to.equal(1)
    expect(a.dialled).not.to.include(a.contact.id)
  })

  it('ends a look-up with the reason of its signal', async () => {
    const nodes = await world.network(4)
    const controller = new AbortController()
    const pending = nodes[1]!.router.find(missing, { signal: controller.signal })
    controller.abort()
    expect(await failure(pending)).to.have.property('code', 'ERR_ABORTED')
    const whole = new AbortController()
    await world.clock.until(lastValueFrom(nodes[1]!.router.find$(missing, { signal: whole.signal })))
    expect(getEventListeners(whole.signal, 'abort')).to.deep.equal([])
    const late = nodes[1]!.router.join([nodes[0]!.contact], { signal: controller.signal })
    expect(await failure(late)).to.have.property('code', 'ERR_ABORTED')
  })

  it('cancels all queries when nobody listens any more', async () => {
    const nodes = await world.network(4)
    const [node] = nodes.slice(-1) as [SmallNode]
    await world.clock.advance(60_000)
    const pending = world.clock.pending
    const subscription = node.router.find$(missing).subscribe()
    await world.clock.advance(10)
    expect(world.clock.pending).to.be.above(pending)
    subscription.unsubscribe()
    await world.clock.advance(0)
    expect(world.clock.pending).to.equal(pending)
    expect(node.events.filter(({ type }) => type === 'discovery.failed')).to.deep.equal([])
  })

  it('ends look-ups when the plugin stops', async () => {
    const nodes = await world.network(4)
    const [node] = nodes.slice(-1) as [SmallNode]
    const pending = firstValueFrom(node.router.find$(missing).pipe(toArray()))
    const stopped = failure(pending)
    await world.kill(node)
    expect(await stopped).to.have.property('code', 'ERR_ABORTED')
  })

  it('fails a look-up of what is no node id with ERR_INVALID_INPUT', async () => {
    const node = await world.start(1)
    expect(await failure(node.router.find('nonsense' as NodeId))).to.have.property('code', 'ERR_INVALID_INPUT')
  })

  it('gives up on a node that takes a call and stays silent', async () => {
    const [a, b] = await world.network(2, { queryTimeoutMs: 2_000 })
    world.cut.add(b!.contact.id)
    const begun = world.clock.monotonic()
    const told = await world.clock.until(lastValueFrom(a!.router.find$(missing).pipe(toArray())))
    expect(told.find((step) => step.type === 'failed')?.error).to.have.property('code', 'ERR_DEADLINE')
    expect(world.clock.monotonic() - begun).to.equal(2_000)
  })
})
