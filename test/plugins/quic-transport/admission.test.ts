import { expect } from 'chai'
import fc from 'fast-check'
import { NodeId, type Address } from '#src/model/index.js'
import { Admission, type AdmissionLimits, type Guest } from '#src/plugins/quic-transport/admission.js'
import { VirtualClock } from '#src/testkit/index.js'

const LIMITS: AdmissionLimits = {
  maxHandshakes: 8,
  retryAboveHandshakes: 4,
  maxHandshakesPerAddress: 2,
  maxConnectionsPerAddress: 3,
  maxConnectionsPerNode: 2
}

const at = (host: string): Address => ({ host, port: 4433 })
const node = (i: number): NodeId => NodeId.fromBytes(new Uint8Array(32).fill(i))
const [here, there, home] = [at('192.0.2.1'), at('2001:db8::1'), at('127.0.0.1')]

function admissionOf(limits: Partial<AdmissionLimits> = {}) {
  const clock = new VirtualClock()
  const admission = new Admission({ ...LIMITS, ...limits }, clock)
  const enter = (count: number, from: Address, proven = false): Guest[] =>
    Array.from({ length: count }, () => admission.enter(from, proven))
  return { clock, admission, enter }
}

describe('who may begin a connection', () => {
  it('is asked for proof of the address once so many handshakes are under way', () => {
    const { admission, enter } = admissionOf()
    enter(3, home)
    expect(admission.judge(home, false)).to.equal('admit')
    enter(1, home)
    expect(admission.judge(here, false)).to.equal('unproven address')
    expect(admission.judge(here, true)).to.equal('admit')
    expect(admission.size, 'kept of who has not proved itself').to.equal(0)
  })

  it('is turned away, proven or not, when there are as many handshakes as there may be', () => {
    const { admission, enter } = admissionOf()
    enter(8, home, true)
    for (const proven of [false, true]) expect(admission.judge(there, proven)).to.equal('handshake limit')
  })

  it('cannot be shut out by handshakes that others begin under its address', () => {
    const { admission, enter } = admissionOf()
    enter(2, here)
    expect(admission.judge(here, false)).to.equal('unproven address')
    expect(admission.judge(here, true)).to.equal('admit')
    enter(2, here, true)
    expect(admission.judge(here, true)).to.equal('handshake limit of an address')
    expect(admission.judge({ ...here, port: 5 }, true), 'whatever its port').to.equal('handshake limit of an address')
    expect(admission.judge(there, true)).to.equal('admit')
  })

  it('shares its limits with its /64, and with nobody on loopback', () => {
    const { admission, enter } = admissionOf({ retryAboveHandshakes: 100, maxHandshakes: 100 })
    enter(2, there, true)
    expect(admission.judge(at('2001:db8::ffff:1'), true)).to.equal('handshake limit of an address')
    expect(admission.judge(at('2001:db8:0:1::1'), true)).to.equal('admit')
    for (const loopback of [home, at('::1')]) {
      for (const guest of enter(20, loopback)) expect(admission.authenticated(guest, node(1))).to.equal(undefined)
      expect(admission.judge(loopback, false)).to.equal('admit')
    }
  })

  it('may have so many connections from an address and of a node', () => {
    const { admission, enter } = admissionOf({ maxHandshakesPerAddress: 4 })
    const [a, b, c, d] = enter(4, here, true) as [Guest, Guest, Guest, Guest]
    expect(admission.authenticated(a, node(1))).to.equal(undefined)
    expect(admission.authenticated(b, node(1))).to.equal(undefined)
    expect(admission.judge(here, true)).to.equal('admit')
    expect(admission.authenticated(c, node(1))).to.equal('connection limit of a node')
    expect(admission.judge(here, true)).to.equal('connection limit of an address')
    expect(admission.authenticated(d, node(2)), 'begun when there was still room').to.equal(
      'connection limit of an address'
    )
    admission.leave(c)
    admission.leave(d)
    expect(admission.judge(here, true)).to.equal('admit')
  })

  it('is not counted by a handshake that failed a second ago, but by one that failed just now', async () => {
    const { clock, admission, enter } = admissionOf()
    for (const guest of enter(4, here)) admission.leave(guest)
    expect(admission.judge(there, false)).to.equal('unproven address')
    await clock.advance(999)
    expect(admission.judge(there, false)).to.equal('unproven address')
    await clock.advance(1)
    expect(admission.judge(there, false)).to.equal('admit')
    expect(admission.size).to.equal(0)
  })

  it('is forgotten without a trace, whatever came and went', async () => {
    const step = fc.record({
      host: fc.constantFrom('192.0.2.1', '192.0.2.2', '2001:db8::1', '127.0.0.1'),
      proven: fc.boolean(),
      peer: fc.option(fc.nat(3)),
      leaver: fc.nat(20),
      ms: fc.constantFrom(0, 300, 2_000)
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const { clock, admission } = admissionOf()
        const present: Guest[] = []
        for (const { host, proven, peer, leaver, ms } of steps) {
          if (admission.judge(at(host), proven) === 'admit') {
            const guest = admission.enter(at(host), proven)
            present.push(guest)
            if (peer !== null) admission.authenticated(guest, node(peer))
          }
          for (const guest of present.splice(leaver, 1)) admission.leave(guest)
          await clock.advance(ms)
        }
        for (const guest of present) admission.leave(guest)
        await clock.advance(2_000)
        expect(admission.judge(here, false)).to.equal('admit')
        expect(admission.size).to.equal(0)
        // Nothing is counted any more either: as many are admitted as at the beginning.
        for (let i = 0; i < LIMITS.retryAboveHandshakes; i++) {
          expect(admission.judge(home, false)).to.equal('admit')
          admission.enter(home, false)
        }
        expect(admission.judge(home, false)).to.equal('unproven address')
      })
    )
  })
})
