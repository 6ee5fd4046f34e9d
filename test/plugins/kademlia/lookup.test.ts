import { expect } from 'chai'
import fc from 'fast-check'
import { Contact, NodeId } from '#src/model/index.js'
import { keyOf } from '#src/plugins/kademlia/distance.js'
import { ALPHA, Lookup, MAX_CONTACTED, type Query } from '#src/plugins/kademlia/lookup.js'
import { K, RoutingTable } from '#src/plugins/kademlia/routing-table.js'
import { byDistance, contact, ids, key, seeded } from './support.js'

const NODES = 1000

/** Tables as they become when every node has met a few hundred others at random, and its own neighbourhood. */
function buildNetwork(): { nodes: Contact[]; tables: Map<NodeId, RoutingTable> } {
  const random = seeded(7)
  const nodes = Array.from({ length: NODES }, (_, n) => contact(n))
  const tables = new Map<NodeId, RoutingTable>()
  for (const node of nodes) {
    const table = new RoutingTable(keyOf(node))
    for (const near of byDistance(keyOf(node), nodes).slice(1, K + 1)) table.seen(near)
    for (let i = 0; i < 200; i++) table.seen(nodes[random.int(NODES)]!)
    tables.set(node.id, table)
  }
  return { nodes, tables }
}

type Answer = readonly Contact[] | 'silent'

/** Runs a look-up to its end; answers arrive in a random order. Checks what must hold at every step. */
function run(lookup: Lookup, answer: (query: Query) => Answer, self: Contact, seed = 1): void {
  const random = seeded(seed)
  const flying: Query[] = []
  const asked = new Set<NodeId>()
  for (let turn = 0; !lookup.ended; turn++) {
    expect(turn).to.be.below(MAX_CONTACTED + 1)
    for (const query of lookup.next()) {
      expect(query.contact.id).not.to.equal(self.id)
      expect(asked.has(query.contact.id), 'asked once').to.equal(false)
      asked.add(query.contact.id)
      flying.push(query)
    }
    expect(flying.length).to.be.within(1, ALPHA)
    const [query] = flying.splice(random.int(flying.length), 1) as [Query]
    const reply = answer(query)
    if (reply === 'silent') lookup.onFailure(query.contact.id)
    else lookup.onAnswer(query.contact.id, reply)
  }
  expect(lookup.next()).to.deep.equal([])
  expect(new Set(lookup.contacted)).to.deep.equal(asked)
  expect(lookup.contacted.length).to.be.at.most(MAX_CONTACTED)
}

const asked = (lookup: Lookup): unknown[] => lookup.next().map((query) => [query.contact.id, query.hop])

describe('iterative look-up', () => {
  let network: ReturnType<typeof buildNetwork>
  before(function () {
    this.timeout(30_000)
    network = buildNetwork()
  })

  const start = (self: Contact, target: Uint8Array): Lookup =>
    new Lookup({ self: keyOf(self), target, initial: network.tables.get(self.id)!.closest(target) })
  const honest =
    (target: Uint8Array) =>
    ({ contact: { id } }: Query): Answer =>
      network.tables.get(id)!.closest(target)

  it('finds every node there is, in few hops', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: NODES - 1 }),
        fc.integer({ min: 0, max: NODES - 1 }),
        fc.nat(),
        (from, to, seed) => {
          fc.pre(from !== to)
          const [self, target] = [network.nodes[from]!, network.nodes[to]!]
          const lookup = start(self, keyOf(target))
          run(lookup, honest(keyOf(target)), self, seed)
          expect(lookup.found?.id).to.equal(target.id)
          expect(lookup.hops).to.be.at.most(4)
        }
      )
    )
  })

  it('ends for a node that is not there with the true nearest ones', () => {
    const [self] = network.nodes as [Contact]
    const others = network.nodes.slice(1)
    let agreed = 0
    for (let n = 0; n < 20; n++) {
      const target = key(`missing ${n}`)
      const lookup = start(self, target)
      run(lookup, honest(target), self, n)
      expect(lookup.found).to.equal(undefined)
      const truth = new Set(ids(byDistance(target, others).slice(0, K)))
      agreed += lookup.closest.filter(({ id }) => truth.has(id)).length
      expect(ids(lookup.closest)).to.deep.equal(ids(byDistance(target, lookup.closest)))
      expect(lookup.closest.length).to.equal(K)
    }
    expect(agreed / (20 * K)).to.be.above(0.99)
  })

  it('finds its way when a third of all nodes are silent', () => {
    const dead = (id: NodeId): boolean => NodeId.toBytes(id)[31]! < 85
    const [self, target] = [network.nodes[3]!, network.nodes.find(({ id }, n) => n > 100 && !dead(id))!]
    const lookup = start(self, keyOf(target))
    run(lookup, (query) => (dead(query.contact.id) ? 'silent' : honest(keyOf(target))(query)), self)
    expect(lookup.found?.id).to.equal(target.id)
  })

  it('knows at once what it was given', () => {
    const [self, target] = network.nodes as [Contact, Contact]
    const lookup = new Lookup({ self: keyOf(self), target: keyOf(target), initial: [target] })
    expect(lookup.ended).to.equal(true)
    expect(lookup.found).to.equal(target)
    expect(lookup.hops).to.equal(0)
    expect(lookup.next()).to.deep.equal([])
  })

  it('ends at once if it knows nobody, or only itself', () => {
    const [self] = network.nodes as [Contact]
    for (const initial of [[], [self]]) {
      for (const target of [key('missing'), keyOf(self)]) {
        const lookup = new Lookup({ self: keyOf(self), target, initial })
        expect([lookup.ended, lookup.found, lookup.hops]).to.deep.equal([true, undefined, 0])
      }
    }
  })

  it('counts hops along the chain of answers, and stops asking once it knows', () => {
    const [self, a, b, target] = network.nodes as [Contact, Contact, Contact, Contact]
    const lookup = new Lookup({ self: keyOf(self), target: keyOf(target), initial: [a] })
    expect(asked(lookup)).to.deep.equal([[a.id, 1]])
    lookup.onAnswer(a.id, [b])
    expect(asked(lookup)).to.deep.equal([[b.id, 2]])
    lookup.onAnswer(b.id, [contact(5000), target, contact(5001)])
    expect([lookup.ended, lookup.hops, lookup.found]).to.deep.equal([true, 2, target])
    expect(lookup.next()).to.deep.equal([])
    expect(lookup.contacted).to.deep.equal([a.id, b.id])
  })

  it('ends when all are silent', () => {
    const [self] = network.nodes as [Contact]
    const lookup = start(self, key('missing'))
    run(lookup, () => 'silent', self)
    expect(lookup.closest).to.deep.equal([])
    expect(lookup.contacted.length).to.equal(K)
    expect(lookup.hops).to.equal(0)
  })

  it('is not misled into endless work by liars', () => {
    const [self, ...others] = network.nodes as [Contact, ...Contact[]]
    let made = 10_000
    const target = key('missing')
    // Ever nearer ones, as an attacker who invents ids can: more and more of their bytes agree with the target.
    const invent = (): Contact => {
      const bytes = key(made++)
      bytes.set(target.subarray(0, Math.min(31, 1 + Math.floor((made - 10_000) / 200))))
      return Contact.of(NodeId.fromBytes(bytes), contact(1).addresses)
    }
    const lies: Record<string, (query: Query) => Answer> = {
      'only themselves': ({ contact: own }) => [own],
      'only the asker': () => [self],
      duplicates: () => Array.from({ length: K }, () => others[0]!),
      'far too many': () => others,
      'ever new ones': () => Array.from({ length: 50 }, invent)
    }
    for (const [name, lie] of Object.entries(lies)) {
      const lookup = start(self, target)
      run(lookup, lie, self)
      expect(lookup.found, name).to.equal(undefined)
    }
    const endless = start(self, target)
    run(endless, lies['ever new ones']!, self)
    expect(endless.contacted.length).to.equal(MAX_CONTACTED)
  })

  it('takes at most k contacts from an answer', () => {
    const [self, a] = network.nodes as [Contact, Contact]
    const lookup = new Lookup({ self: keyOf(self), target: key('missing'), initial: [a] })
    lookup.next()
    expect(lookup.onAnswer(a.id, network.nodes.slice(100, 200))).to.equal(K)
  })

  it('ignores answers that it did not ask for, and second ones', () => {
    const [self, a, b, target] = network.nodes as [Contact, Contact, Contact, Contact]
    const lookup = new Lookup({ self: keyOf(self), target: keyOf(target), initial: [a] })
    expect(lookup.onAnswer(a.id, [target])).to.equal(0)
    lookup.next()
    lookup.onFailure(a.id)
    expect(lookup.onAnswer(a.id, [target])).to.equal(0)
    expect(lookup.onAnswer(b.id, [target])).to.equal(0)
    lookup.onFailure(a.id)
    expect([lookup.ended, lookup.found]).to.deep.equal([true, undefined])
  })
})
