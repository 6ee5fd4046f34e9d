import { expect } from 'chai'
import fc from 'fast-check'
import type { DatagramSocket } from '#src/kernel/index.js'
import { Follower, FORGET_MS, MAX_CANDIDATES, QUIET_MS } from '#src/plugins/quic-transport/follower.js'
import type { Way } from '#src/plugins/quic-transport/way.js'

const socket = {} as DatagramSocket
const way = (port: number): Way => ({ socket, remote: { host: '192.0.2.1', port } })

describe('following the peer to another address', () => {
  it('wants the other way proved and the one in use quiet', () => {
    const follower = new Follower()
    expect(follower.proofOf(way(1))).to.equal(undefined)
    expect(follower.heard(way(1), 1_000, 'asked')).to.equal(true)
    expect(follower.choose(5_000, 900)).to.equal(undefined)
    follower.settle(way(1), true)
    expect(follower.due(990)).to.equal(990 + QUIET_MS)
    expect(follower.choose(990 + QUIET_MS - 1, 990)).to.equal(undefined)
    expect(follower.choose(990 + QUIET_MS, 990)).to.deep.equal(way(1))
    expect(follower.proofOf(way(1))).to.equal(undefined)
  })

  it('stays where the peer was heard later', () => {
    const follower = new Follower()
    follower.heard(way(1), 1_000, 'proved')
    expect(follower.choose(2_000, 1_000)).to.equal(undefined)
    expect(follower.due(1_000)).to.equal(Infinity)
  })

  it('goes where it was heard last', () => {
    const follower = new Follower()
    follower.heard(way(1), 1_000, 'proved')
    follower.heard(way(2), 1_001, 'proved')
    follower.heard(way(1), 1_002, 'proved')
    expect(follower.choose(2_000, 900)).to.deep.equal(way(1))
  })

  it('asks one that was refused again after a while, and looks at a limited number', () => {
    const follower = new Follower()
    for (let port = 1; port <= MAX_CANDIDATES; port++) expect(follower.heard(way(port), port, 'asked')).to.equal(true)
    expect(follower.heard(way(9), 9, 'asked')).to.equal(false)
    follower.settle(way(1), false)
    follower.heard(way(1), FORGET_MS, 'asked')
    expect(follower.proofOf(way(1))).to.equal('refused')
    expect(follower.heard(way(9), FORGET_MS + 1, 'asked')).to.equal(true)
    expect(follower.proofOf(way(1))).to.equal(undefined)
  })

  it('never leaves for a way that was not proved, nor one that is heard', () => {
    const step = fc.record({
      ms: fc.integer({ min: 0, max: 2 * QUIET_MS }),
      what: fc.oneof(
        fc.record({ port: fc.integer({ min: 1, max: 6 }), settle: fc.option(fc.boolean(), { nil: undefined }) }),
        fc.constant('here' as const)
      )
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const follower = new Follower()
        const proved = new Set<number>()
        let now = 0
        let hereAt = 0
        for (const { ms, what } of steps) {
          now += ms
          if (what === 'here') hereAt = now
          else if (what.settle === undefined) follower.heard(way(what.port), now, 'asked')
          else {
            if (what.settle && follower.proofOf(way(what.port)) !== undefined) proved.add(what.port)
            follower.settle(way(what.port), what.settle)
          }
          const chosen = follower.choose(now, hereAt)
          if (chosen === undefined) continue
          expect(proved.has(chosen.remote.port)).to.equal(true)
          expect(now - hereAt).to.be.at.least(QUIET_MS)
          hereAt = now
        }
      })
    )
  })
})
