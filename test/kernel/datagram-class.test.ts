import { expect } from 'chai'
import { classifyDatagram } from '#src/kernel/index.js'

describe('the class of a datagram', () => {
  it('is told by its first byte', () => {
    const classes = [0x00, 0x03, 0x04, 0x1f, 0x20, 0x2f, 0x30, 0x3f, 0x40, 0xff].map((first) =>
      classifyDatagram(Uint8Array.of(first, 0))
    )
    const [stun, probe, relay, quic] = ['stun', 'probe', 'relay', 'quic']
    expect(classes).to.deep.equal([stun, stun, undefined, undefined, probe, probe, relay, relay, quic, quic])
    expect(classifyDatagram(new Uint8Array(0))).to.equal(undefined)
  })
})
