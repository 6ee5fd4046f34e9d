import { expect } from 'chai'
import fc from 'fast-check'
import {
  idleDue,
  makeRoom,
  UNINVITED_GRACE_MS,
  type Resident,
  type RoomLimits
} from '#src/plugins/connection-pool/room.js'
import { originOf, type Origin } from '#src/plugins/connection-pool/origin.js'

const limits: RoomLimits = { maxConnections: 40, maxPerAddress: 4, maxPerGroup: 8, idleMs: 120_000 }

interface Named extends Resident {
  readonly name: number
}

function from(host: string): Origin {
  return originOf({ host, port: 4433 })
}

function resident(name: number, more: Partial<Resident> = {}): Named {
  return {
    name,
    wanted: false,
    protected: false,
    origin: from(`20.0.${name}.1`),
    openedAt: name,
    usedAt: name,
    ownUseAt: -Infinity,
    ownStreams: 0,
    stayMs: 0,
    ...more
  }
}

const stranger = (host: string) => ({ wanted: false, protected: false, origin: from(host) })

const anyResident = fc
  .record({
    wanted: fc.boolean(),
    protected: fc.boolean(),
    group: fc.nat(6),
    openedAt: fc.nat(1_000_000),
    usedFor: fc.nat(1_000_000),
    ownUseAt: fc.option(fc.nat(1_000_000), { nil: -Infinity }),
    ownStreams: fc.nat(1),
    stayMs: fc.option(fc.nat(7_200_000), { nil: 0 })
  })
  .map(({ group, usedFor, ...rest }) => ({
    ...rest,
    usedAt: rest.openedAt + usedFor,
    origin: from(`20.0.${group}.1`)
  }))
const manyResidents = fc
  .array(anyResident, { minLength: 0, maxLength: limits.maxConnections })
  .map((all) => all.map((each, name) => ({ ...each, name })))
const fullHouse = fc
  .array(anyResident, { minLength: limits.maxConnections, maxLength: limits.maxConnections })
  .map((all) => all.map((each, name) => ({ ...each, name })))
const anyNewcomer = fc.record({
  wanted: fc.boolean(),
  protected: fc.boolean(),
  origin: fc.nat(9).map((group) => from(`20.0.${group}.2`))
})

describe('room for one more peer', () => {
  it('never costs a peer that is protected or being used by this node, whoever comes', () => {
    fc.assert(
      fc.property(
        manyResidents,
        anyNewcomer,
        fc.integer({ min: 1, max: 40 }),
        (residents, newcomer, maxConnections) => {
          const verdict = makeRoom(residents, newcomer, { ...limits, maxConnections })
          if (!verdict.admitted || verdict.evict === undefined) return
          expect(residents.length).to.be.at.least(maxConnections)
          expect(verdict.evict).to.deep.include({ protected: false, ownStreams: 0 })
        }
      )
    )
  })

  it('is never made for an uninvited peer at the cost of one that this node has dialled, or of merit', () => {
    fc.assert(
      fc.property(fullHouse, anyNewcomer, (residents, { origin }) => {
        const verdict = makeRoom(residents, { wanted: false, protected: false, origin }, limits)
        if (!verdict.admitted || verdict.evict === undefined) return
        const { evict } = verdict
        expect(evict.wanted).to.equal(false)
        const others = residents.filter(({ wanted }) => !wanted)
        const oldest = [...others].sort((a, b) => a.openedAt - b.openedAt)[0]
        const used = [...others].sort((a, b) => b.ownUseAt - a.ownUseAt)[0]!
        if (others.length > 1) expect(evict.openedAt).to.be.at.least(oldest!.openedAt)
        if (used.ownUseAt > -Infinity) {
          expect(
            evict.ownUseAt < used.ownUseAt || others.filter((o) => o.ownUseAt === used.ownUseAt).length > 1
          ).to.equal(true)
        }
        // Somebody less crowded takes the place of somebody more crowded: it cannot go on for ever.
        const crowd = (group: string): number => others.filter((other) => other.origin.group === group).length
        expect(crowd(origin.group) + 1).to.be.below(crowd(evict.origin.group))
      })
    )
  })

  it('is found for a peer that is wanted, unless all others are protected or in use', () => {
    fc.assert(
      fc.property(fullHouse, anyNewcomer, (residents, { origin }) => {
        const verdict = makeRoom(residents, { wanted: true, protected: false, origin }, limits)
        const evictable = residents.some((each) => !each.protected && each.ownStreams === 0)
        expect(verdict.admitted).to.equal(evictable)
        if (verdict.admitted) expect(verdict.evict).not.to.equal(undefined)
      })
    )
  })

  it('is limited for uninvited peers by address and by group, but not for wanted or protected ones', () => {
    const crowd = Array.from({ length: 4 }, (_, n) => resident(n, { origin: from('20.9.9.1') }))
    expect(makeRoom(crowd, stranger('20.9.9.1'), limits)).to.deep.equal({ admitted: false, refusal: 'address' })
    expect(makeRoom(crowd, stranger('20.9.9.2'), limits)).to.include({ admitted: true })
    expect(makeRoom(crowd, { ...stranger('20.9.9.1'), wanted: true }, limits)).to.include({ admitted: true })
    expect(makeRoom(crowd, { ...stranger('20.9.9.1'), protected: true }, limits)).to.include({ admitted: true })
    const village = Array.from({ length: 8 }, (_, n) => resident(n, { origin: from(`20.9.9.${n + 1}`) }))
    expect(makeRoom(village, stranger('20.9.9.77'), limits)).to.deep.equal({ admitted: false, refusal: 'group' })
    expect(makeRoom(village, stranger('20.9.8.77'), limits)).to.include({ admitted: true })
    for (const own of ['10.0.0', '127.0.0']) {
      const many = Array.from({ length: 30 }, (_, n) => resident(n, { origin: from(`${own}.${n + 1}`) }))
      expect(makeRoom(many, stranger(`${own}.99`), limits), own).to.include({ admitted: true })
    }
    const machine = Array.from({ length: 30 }, (_, n) => resident(n, { origin: from('127.0.0.1') }))
    expect(makeRoom(machine, stranger('127.0.0.1'), limits)).to.include({ admitted: true })
  })

  it('is taken from the youngest of the most crowded group', () => {
    const crowd = Array.from({ length: 8 }, (_, n) => resident(100 + n, { origin: from(`20.9.9.${n}`) }))
    const scattered = Array.from({ length: 32 }, (_, n) => resident(n))
    const verdict = makeRoom([...crowd, ...scattered], stranger('20.200.0.1'), limits)
    expect(verdict).to.have.nested.property('evict.name', 107)
    expect(makeRoom([...crowd, ...scattered], stranger('20.0.1.1'), limits)).to.have.nested.property('evict.name', 107)
    const all = Array.from({ length: 40 }, (_, n) => resident(n))
    expect(makeRoom(all, stranger('20.200.0.1'), limits)).to.deep.equal({ admitted: false, refusal: 'full' })
  })

  it('is taken for a wanted peer from one that nobody wants, then from whoever is the least wanted', () => {
    const kept = { stayMs: 7_200_000 }
    const wanted = Array.from({ length: 39 }, (_, n) => resident(n, { wanted: true, ...(n === 5 ? {} : kept) }))
    const newcomer = { ...stranger('20.200.0.1'), wanted: true }
    expect(makeRoom([...wanted, resident(90), resident(91)], newcomer, limits)).to.have.nested.property(
      'evict.name',
      91
    )
    const one = makeRoom([...wanted, resident(90, { ...kept, wanted: true })], newcomer, limits)
    expect(one).to.have.nested.property('evict.name', 5)
  })
})

/**
 * An attacker of any number of identities, with addresses in some networks, who opens and closes as it likes, against
 * honest peers that came before it, or while it is at work.
 */
describe('an attacker who connects again and again', () => {
  const attack = fc.record({
    networks: fc.integer({ min: 1, max: 60 }),
    attempts: fc.integer({ min: 100, max: 400 }),
    gap: fc.integer({ min: 0, max: 20 })
  })

  function play(
    house: Named[],
    { networks, attempts, gap }: { networks: number; attempts: number; gap: number }
  ): Named[] {
    let residents = house
    for (let n = 0; n < attempts; n++) {
      const name = 1_000 + n
      const newcomer = resident(name, { origin: from(`66.6.${n % networks}.${n % 250}`), openedAt: 10_000 + n * gap })
      const verdict = makeRoom(residents, newcomer, limits)
      if (!verdict.admitted) continue
      residents = [...residents.filter((each) => each !== verdict.evict), newcomer]
    }
    expect(residents.length).to.be.at.most(limits.maxConnections)
    return residents
  }

  it('gets out nobody who is protected, dialled, in use, or one of the scattered', () => {
    fc.assert(
      fc.property(attack, fc.integer({ min: 0, max: 40 }), (power, honest) => {
        const house = Array.from({ length: honest }, (_, n) =>
          resident(n, [{ protected: true }, { wanted: true }, { ownStreams: 1 }, {}][n % 4])
        )
        const after = play(house, power)
        expect(house.filter((each) => !after.includes(each))).to.deep.equal([])
      })
    )
  })

  it('leaves room for whom this node dials, and for honest peers from other networks unless it has as many', () => {
    fc.assert(
      fc.property(attack, (power) => {
        const after = play([], power)
        const dialled = makeRoom(after, { wanted: true, protected: false, origin: from('66.6.0.1') }, limits)
        expect(dialled.admitted).to.equal(true)
        const visitor = makeRoom(after, stranger('20.1.1.1'), limits)
        if (power.networks < limits.maxConnections / 2) expect(visitor.admitted).to.equal(true)
      })
    )
  })
})

describe('when a connection that nobody uses is closed', () => {
  it('is a while after its last use, longer if a plugin wants it, and never if it is protected', () => {
    const at = (more: Partial<Resident>): number =>
      idleDue(resident(0, { wanted: true, usedAt: 1_000, ...more }), limits)
    expect(at({})).to.equal(121_000)
    expect(at({ wanted: false })).to.equal(121_000 + UNINVITED_GRACE_MS)
    expect(at({ stayMs: 60_000 })).to.equal(121_000)
    expect(at({ stayMs: 7_200_000 })).to.equal(7_201_000)
    expect(at({ protected: true })).to.equal(Infinity)
  })
})

describe('where peers come from', () => {
  it('is grouped by what one owner has', () => {
    const origin = (host: string) => [from(host).address, from(host).group]
    expect(origin('203.0.113.7')).to.deep.equal(['203.0.113.7', '203.0.113'])
    expect(origin('2001:db8:1:2:3:4:5:6')).to.deep.equal(['2001:db8:1:2', '2001:db8:1'])
    expect(origin('2001:db8::6')).to.deep.equal(['2001:db8:0:0', '2001:db8:0'])
    expect(origin('::1')).to.deep.equal(['0:0:0:0', '0:0:0'])
    expect(origin('fe80::1:2')).to.deep.equal(['fe80:0:0:0', 'fe80:0:0'])
    expect(origin('2001:db8:1:2::')).to.deep.equal(['2001:db8:1:2', '2001:db8:1'])
  })
})
