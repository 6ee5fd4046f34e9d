import { expect } from 'chai'
import fc from 'fast-check'
import type { DatagramSocket } from '#src/kernel/index.js'
import { Follower, FORGET_MS, MAX_CANDIDATES, QUIET_MS } from '#src/plugins/quic-transport/follower.js'
import type { Way } from '#src/plugins/quic-transport/way.js'

const socket = {} as DatagramSocket
const way = (port: number): Way => ({ socket, remote: { host: '192.0.2.1', port } })

describe('following the peer to another address', () => {
  it('wants the way in use quiet and the other one proved', () => {
    const follower = new Follower()
    expect(follower.proofOf(way(1))).to.equal(undefined)
    follower.heard(way(1), 1_000, 900, 'none')
    expect(follower.due(900)).to.equal(1_000 + QUIET_MS)
    expect(follower.ask(1_000 + QUIET_MS - 1, 900)).to.deep.equal([])
    expect(follower.ask(1_000 + QUIET_MS, 900)).to.deep.equal([way(1)])
    expect(follower.choose(5_000, 900)).to.equal(undefined)
    follower.settle(way(1), true)
    expect(follower.choose(5_000, 4_990)).to.equal(undefined)
    expect(follower.choose(5_000, 900)).to.deep.equal(way(1))
    expect(follower.proofOf(way(1))).to.equal(undefined)
  })

  it('does not even ask where the way in use is heard after the other', () => {
    const follower = new Follower()
    follower.heard(way(1), 1_000, 900, 'none')
    expect(follower.due(1_000)).to.equal(Infinity)
    expect(follower.ask(2_000, 1_000)).to.deep.equal([])
    follower.heard(way(1), 2_000, 1_000, 'none')
    expect(follower.due(1_000)).to.equal(2_000 + QUIET_MS)
  })

  it('goes at once where it has been before', () => {
    const follower = new Follower()
    follower.heard(way(1), 1_000, 960, 'proved')
    expect(follower.due(960)).to.equal(960 + QUIET_MS)
    expect(follower.choose(960 + QUIET_MS, 960)).to.deep.equal(way(1))
  })

  it('goes where the peer was heard last', () => {
    const follower = new Follower()
    for (const [i, port] of [1, 2, 1].entries()) follower.heard(way(port), 1_000 + i, 900, 'proved')
    expect(follower.choose(2_000, 900)).to.deep.equal(way(1))
  })

  it('asks one that was refused again after a while', () => {
    const follower = new Follower()
    follower.heard(way(1), 0, -1, 'none')
    expect(follower.ask(QUIET_MS, -1)).to.deep.equal([way(1)])
    follower.settle(way(1), false)
    follower.heard(way(1), FORGET_MS - 1, -1, 'none')
    expect(follower.proofOf(way(1))).to.equal('refused')
    follower.heard(way(1), FORGET_MS, -1, 'none')
    expect(follower.proofOf(way(1))).to.equal('none')
  })

  it('looks at a limited number of ways, and at none for long that was refused', () => {
    const follower = new Follower()
    for (let port = 1; port <= MAX_CANDIDATES; port++) {
      follower.heard(way(port), 0, -1, 'none')
      follower.ask(QUIET_MS, -1)
    }
    follower.heard(way(9), 100, -1, 'none')
    expect(follower.proofOf(way(9))).to.equal(undefined)
    follower.settle(way(2), false)
    follower.heard(way(9), 100, -1, 'none')
    expect(follower.proofOf(way(9))).to.equal('none')
    expect(follower.proofOf(way(2))).to.equal(undefined)
  })

  it('never leaves for a way that was not proved, nor one that is heard', () => {
    const step = fc.record({
      ms: fc.integer({ min: 0, max: 2 * QUIET_MS }),
      what: fc.oneof(fc.record({ port: fc.integer({ min: 1, max: 6 }), answers: fc.boolean() }), fc.constant('here'))
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const follower = new Follower()
        const proved = new Set<number>()
        let now = 0
        let hereAt = -1
        for (const { ms, what } of steps) {
          now += ms
          if (typeof what === 'string') hereAt = now
          else follower.heard(way(what.port), now, hereAt, 'none')
          for (const asked of follower.ask(now, hereAt)) {
            expect(now - hereAt).to.be.at.least(QUIET_MS)
            const answers = typeof what !== 'string' && what.answers
            if (answers) proved.add(asked.remote.port)
            follower.settle(asked, answers)
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
