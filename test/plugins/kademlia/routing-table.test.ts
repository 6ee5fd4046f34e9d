import { expect } from 'chai'
import fc from 'fast-check'
import type { Contact, NodeId } from '#src/model/index.js'
import { BUCKETS, keyInBucket, keyOf } from '#src/plugins/kademlia/distance.js'
import { MAX_ADDRESSES, MAX_REPLACEMENTS, RoutingTable, type TableChange } from '#src/plugins/kademlia/routing-table.js'
import { byDistance, contact, ids, key } from './support.js'

const self = key('self')
const SMALL_K = 3
/** Half of all ids are in bucket 255, so sixty contacts overflow some buckets and leave others half empty. */
const crowd = Array.from({ length: 60 }, (_, n) => contact(n))
const far = crowd.filter((each) => new RoutingTable(self).bucketOf(keyOf(each)) === 255)

/** What the table ought to hold, kept in the plainest way. */
interface Model {
  readonly held: Map<NodeId, { contact: Contact; seen: number }>
  readonly pinging: Set<NodeId>
  /** When each contact was last seen, in the table or not. */
  readonly waited: Map<NodeId, number>
  time: number
}

class Step implements fc.Command<Model, RoutingTable> {
  constructor(
    private readonly what: 'seen' | 'suspect' | 'alive' | 'dead' | 'spare',
    private readonly who: Contact
  ) {}

  check(): boolean {
    return true
  }

  run(model: Model, table: RoutingTable): void {
    const { what, who } = this
    const before = model.held.get(who.id)
    const wasPinged = model.pinging.has(who.id)
    const change: TableChange =
      what === 'seen'
        ? table.seen(who)
        : what === 'suspect'
          ? table.suspect(who)
          : what === 'spare'
            ? (table.spare(who), {})
            : table.pinged(who, what === 'alive')
    model.time++
    if (what === 'seen') model.waited.set(who.id, model.time)
    if (what !== 'suspect') model.pinging.delete(who.id)
    if (before !== undefined && (what === 'seen' || (what === 'alive' && wasPinged))) before.seen = model.time
    if (change.removed !== undefined) {
      expect(what, 'only a ping without an answer evicts').to.equal('dead')
      expect(wasPinged, 'whoever was seen since is not evicted').to.equal(true)
      expect(change.removed.id).to.equal(who.id)
      model.held.delete(change.removed.id)
    }
    if (change.added !== undefined) {
      const { id } = change.added
      expect(model.held.has(id)).to.equal(false)
      model.held.set(id, { contact: change.added, seen: model.waited.get(id)! })
    }
    if (change.ping !== undefined) {
      expect(model.held.has(change.ping.id)).to.equal(true)
      expect(model.pinging.has(change.ping.id), 'one ping at a time').to.equal(false)
      model.pinging.add(change.ping.id)
    }
    verify(model, table)
  }

  toString(): string {
    return `${this.what} ${this.who.id.slice(0, 6)}`
  }
}

function verify(model: Model, table: RoutingTable): void {
  expect(table.size).to.equal(model.held.size)
  const all: NodeId[] = []
  for (let i = 0; i < BUCKETS; i++) {
    const bucket = table.bucket(i)
    const waiting = table.replacements(i)
    if (bucket.length + waiting.length === 0) continue
    expect(bucket.length).to.be.at.most(SMALL_K)
    expect(waiting.length).to.be.at.most(MAX_REPLACEMENTS)
    if (waiting.length > 0) expect(bucket.length).to.equal(SMALL_K)
    for (const each of [...bucket, ...waiting]) expect(table.bucketOf(keyOf(each))).to.equal(i)
    const seen = bucket.map(({ id }) => model.held.get(id)!.seen)
    expect(seen, 'least recently seen first').to.deep.equal([...seen].sort((a, b) => a - b))
    all.push(...ids(bucket), ...ids(waiting))
  }
  expect(new Set(all).size, 'no contact twice').to.equal(all.length)
  const held = [...model.held.values()].map((each) => each.contact)
  for (const target of [self, key('elsewhere'), keyOf(crowd[0]!)]) {
    expect(ids(table.closest(target, 7))).to.deep.equal(ids(byDistance(target, held).slice(0, 7)))
  }
}

describe('routing table', () => {
  it('keeps its invariants whatever happens', () => {
    const who = fc.constantFrom(...crowd)
    const commands = fc.commands(
      [
        // Sightings outnumber the rest, or no bucket would ever be full.
        ...Array.from({ length: 4 }, () => who.map((each) => new Step('seen', each))),
        who.map((each) => new Step('suspect', each)),
        who.map((each) => new Step('alive', each)),
        who.map((each) => new Step('dead', each)),
        who.map((each) => new Step('spare', each))
      ],
      { size: 'large', maxCommands: 150 }
    )
    fc.assert(
      fc.property(commands, (steps) => {
        fc.modelRun(
          (): { model: Model; real: RoutingTable } => ({
            model: { held: new Map(), pinging: new Set(), waited: new Map(), time: 0 },
            real: new RoutingTable(self, SMALL_K)
          }),
          steps
        )
      }),
      { numRuns: 60 }
    )
  }).timeout(20_000)

  it('never displaces an old contact that answers, and lets the newcomer wait', () => {
    const table = new RoutingTable(self, SMALL_K)
    const [a, b, c, newcomer, later] = far as [Contact, Contact, Contact, Contact, Contact]
    for (const each of [a, b, c]) expect(table.seen(each)).to.deep.equal({ added: each })
    expect(table.seen(newcomer)).to.deep.equal({ ping: a })
    expect(table.seen(later), 'one ping at a time').to.deep.equal({})
    expect(table.pinged(a, true)).to.deep.equal({})
    expect(table.bucket(255)).to.deep.equal([b, c, a])
    expect(table.replacements(255)).to.deep.equal([newcomer, later])
    expect(table.seen(newcomer)).to.deep.equal({ ping: b })
    expect(table.pinged(b, false)).to.deep.equal({ removed: b, added: newcomer })
    expect(table.replacements(255)).to.deep.equal([later])
  })

  it('does not evict a contact that was seen while it was pinged', () => {
    const table = new RoutingTable(self, SMALL_K)
    for (const each of far.slice(0, 4)) table.seen(each)
    table.seen(far[0]!)
    expect(table.pinged(far[0]!, false)).to.deep.equal({})
    expect(table.get(far[0]!.id)).to.equal(far[0])
  })

  it('never holds its own node', () => {
    const table = new RoutingTable(keyOf(contact(1)))
    expect(table.seen(contact(1))).to.deep.equal({})
    expect(table.size).to.equal(0)
    expect(table.get(contact(1).id)).to.equal(undefined)
  })

  it('puts new addresses before those known, and keeps few', () => {
    const table = new RoutingTable(self)
    table.seen(contact(1, '10.0.0.1:1', '10.0.0.2:1'))
    table.seen(contact(1, '10.0.0.3:1', '10.0.0.1:1'))
    expect(table.get(contact(1).id)?.toString()).to.equal(
      contact(1, '10.0.0.3:1', '10.0.0.1:1', '10.0.0.2:1').toString()
    )
    for (let port = 1; port < 30; port++) table.seen(contact(1, `10.9.9.9:${port}`))
    const { addresses } = table.get(contact(1).id)!
    expect(addresses.length).to.equal(MAX_ADDRESSES)
    expect(addresses[0]?.port).to.equal(29)
  })

  it('gives the closest of many contacts as a full search does', () => {
    const table = new RoutingTable(self)
    const added: Contact[] = []
    for (let n = 0; n < 2000; n++) {
      const each = contact(n)
      if (table.seen(each).added !== undefined) added.push(each)
    }
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.integer({ min: 0, max: 40 }), (target, count) => {
        expect(ids(table.closest(target, count))).to.deep.equal(ids(byDistance(target, added).slice(0, count)))
      })
    )
    const near = keyInBucket(self, 3, key('chance'))
    expect(ids(table.closest(near))).to.deep.equal(ids(byDistance(near, added).slice(0, 20)))
  })
})
