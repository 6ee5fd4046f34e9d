import { expect } from 'chai'
import { Deadlines } from '#src/plugins/quic-transport/deadlines.js'
import { VirtualClock } from '#src/testkit/index.js'

const HANDSHAKE_MS = 10_000
const KEEP_ALIVE_MS = 1_000

interface Rig {
  readonly clock: VirtualClock
  readonly deadlines: Deadlines
  /** When it was called. */
  readonly calls: readonly number[]
}

function rig(keepAliveMs = KEEP_ALIVE_MS): Rig {
  const clock = new VirtualClock()
  const calls: number[] = []
  const deadlines = new Deadlines(clock, keepAliveMs, HANDSHAKE_MS, () => {
    calls.push(clock.monotonic())
    deadlines.arm(clock.monotonic(), Infinity)
  })
  return { clock, deadlines, calls }
}

describe('the deadlines of a driver', () => {
  it('are those of a handshake until it is done, once', () => {
    const { deadlines, clock } = rig()
    const begun = clock.monotonic()
    expect(deadlines.handshakeExpired(begun + HANDSHAKE_MS - 1)).to.equal(false)
    expect(deadlines.handshakeExpired(begun + HANDSHAKE_MS)).to.equal(true)
    expect(deadlines.handshakeExpired(begun + HANDSHAKE_MS)).to.equal(false)
    const other = rig().deadlines
    other.established()
    expect(other.handshakeExpired(1e9)).to.equal(false)
  })

  it('are those of signs of life from when the peer was heard, again and again, but for one that has ended', () => {
    const { deadlines } = rig()
    expect(deadlines.wantsSignOfLife(1e9)).to.equal(false)
    deadlines.heard(50)
    expect(deadlines.wantsSignOfLife(1_049)).to.equal(false)
    expect(deadlines.wantsSignOfLife(1_050)).to.equal(true)
    expect(deadlines.wantsSignOfLife(1_050)).to.equal(false)
    expect(deadlines.wantsSignOfLife(2_050)).to.equal(true)
    deadlines.ended()
    expect(deadlines.wantsSignOfLife(1e9)).to.equal(false)
    const without = rig(0).deadlines
    without.heard(50)
    expect(without.wantsSignOfLife(1e9)).to.equal(false)
  })

  it('are met by a timer that is left alone when it is early, and set again when it is late', async () => {
    const { deadlines, clock, calls } = rig()
    const begun = clock.monotonic()
    deadlines.established()
    deadlines.arm(begun, begun + 100)
    deadlines.arm(begun, begun + 500)
    await clock.advance(100)
    deadlines.arm(clock.monotonic(), begun + 400)
    deadlines.arm(clock.monotonic(), begun + 200)
    await clock.advance(1_000)
    expect(calls).to.deep.equal([begun + 100, begun + 200])
    deadlines.arm(clock.monotonic(), clock.monotonic() + 10)
    deadlines.clear()
    await clock.advance(1_000)
    expect(calls).to.have.lengthOf(2)
  })
})
