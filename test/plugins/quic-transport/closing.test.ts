import { expect } from 'chai'
import fc from 'fast-check'
import { CloseCode } from '#src/kernel/index.js'
import { RepeatedClose } from '#src/plugins/quic-transport/closing.js'
import { wireCode } from '#src/plugins/quic-transport/quiche.js'

describe('a close that the peer seems to have missed', () => {
  it('is repeated after 1, 2, 4, … datagrams that are large enough', () => {
    const close = new RepeatedClose(new Uint8Array(50))
    const repeated = Array.from({ length: 40 }, (_, i) => (close.received(1_000) ? i + 1 : 0)).filter((n) => n > 0)
    expect(repeated).to.deep.equal([1, 2, 4, 8, 16, 32])
  })

  it('is never sent with more than three times as many bytes as came', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1_500), { maxLength: 200 }), fc.integer({ min: 1, max: 1_500 }), (sizes, bytes) => {
        const close = new RepeatedClose(new Uint8Array(bytes))
        let [came, went] = [0, 0]
        for (const size of sizes) {
          came += size
          if (close.received(size)) went += bytes
          expect(went).to.be.at.most(3 * came)
        }
      })
    )
  })

  it('has a code that can be sent, whatever was asked for', () => {
    expect([0, 7, 2 ** 53 - 1].map(wireCode)).to.deep.equal([0, 7, 2 ** 53 - 1])
    for (const code of [-1, 0.5, NaN, Infinity, 2 ** 53]) expect(wireCode(code)).to.equal(CloseCode.INTERNAL)
  })
})
