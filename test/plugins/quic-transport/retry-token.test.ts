import { expect } from 'chai'
import fc from 'fast-check'
import { VirtualClock } from '#src/testkit/index.js'
import { CID_BYTES } from '#src/plugins/quic-transport/packet.js'
import { RetryTokens } from '#src/plugins/quic-transport/retry-token.js'

const LIFETIME_MS = 10_000

const host = fc.oneof(fc.ipV4(), fc.ipV6(), fc.constant(`fe80::1%${'z'.repeat(58)}`))
const address = fc.record({ host, port: fc.integer({ min: 1, max: 65_535 }) })
const odcid = fc.uint8Array({ minLength: 8, maxLength: 20 })
const scid = fc.uint8Array({ minLength: CID_BYTES, maxLength: CID_BYTES })

describe('a Retry token', () => {
  const clock = new VirtualClock()
  const tokens = new RetryTokens(clock, LIFETIME_MS)

  it('gives the first connection id back to who was given it, however the bytes lie', () => {
    fc.assert(
      fc.property(address, odcid, scid, fc.nat(50), (from, first, ours, offset) => {
        const token = tokens.make(from, first, ours)
        const memory = new Uint8Array(offset + token.length + 5)
        memory.set(token, offset)
        const opened = tokens.open(memory.subarray(offset, offset + token.length), from, ours)
        expect(opened).to.deep.equal(Uint8Array.from(first))
      })
    )
  })

  it('is worth nothing elsewhere, with another connection id, or altered', () => {
    fc.assert(
      fc.property(address, odcid, scid, address, scid, fc.nat(), (from, first, ours, other, alien, flip) => {
        fc.pre(other.host !== from.host && other.port !== from.port && Buffer.compare(ours, alien) !== 0)
        const token = tokens.make(from, first, ours)
        expect(tokens.open(token, { ...from, host: other.host }, ours)).to.equal('forged token')
        expect(tokens.open(token, { ...from, port: other.port }, ours)).to.equal('forged token')
        expect(tokens.open(token, from, alien)).to.equal('forged token')
        expect(tokens.open(token, from, ours.subarray(1))).to.equal('forged token')
        expect(tokens.open(token.subarray(1), from, ours)).to.equal('forged token')
        const altered = Uint8Array.from(token)
        altered[flip % token.length]! ^= 1 << (flip % 8)
        expect(tokens.open(altered, from, ours)).to.equal('forged token')
        expect(new RetryTokens(clock, LIFETIME_MS).open(token, from, ours), 'of another process').to.equal(
          'forged token'
        )
      })
    )
  })

  it('of any bytes is opened without harm', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), address, fc.uint8Array({ maxLength: 255 }), (bytes, from, id) => {
        expect(tokens.open(bytes, from, id)).to.equal('forged token')
      })
    )
  })

  it('is good for its time and no longer', async () => {
    const from = { host: '192.0.2.1', port: 4433 }
    const [first, ours] = [new Uint8Array(8).fill(1), new Uint8Array(CID_BYTES).fill(2)]
    const token = tokens.make(from, first, ours)
    await clock.advance(LIFETIME_MS)
    expect(tokens.open(token, from, ours)).to.deep.equal(first)
    await clock.advance(2)
    expect(tokens.open(token, from, ours)).to.equal('late token')
  })
})
