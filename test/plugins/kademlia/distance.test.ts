import { expect } from 'chai'
import fc from 'fast-check'
import {
  bucketIndex,
  BUCKETS,
  compareDistance,
  differsAt,
  distance,
  keyInBucket
} from '#src/plugins/kademlia/distance.js'

// Bytes from a small set make shared prefixes likely.
const key = fc.oneof(
  fc.uint8Array({ minLength: 32, maxLength: 32 }),
  fc.array(fc.constantFrom(0, 1, 128, 255), { minLength: 32, maxLength: 32 }).map((bytes) => Uint8Array.from(bytes))
)
const number = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString('hex')}`)

describe('XOR distance', () => {
  it('is a symmetric metric in which each distance has one point (Kademlia §2.1)', () => {
    fc.assert(
      fc.property(key, key, key, (a, b, c) => {
        expect(number(distance(a, b))).to.equal(number(a) ^ number(b))
        expect(distance(a, b)).to.deep.equal(distance(b, a))
        expect(number(distance(a, a))).to.equal(0n)
        expect(number(distance(a, b)) + number(distance(b, c)) >= number(distance(a, c))).to.equal(true)
        expect(distance(a, distance(a, b))).to.deep.equal(b)
      })
    )
  })

  it('orders keys as the numbers do, and calls only equal keys equal', () => {
    fc.assert(
      fc.property(key, key, key, (target, a, b) => {
        const difference = (number(target) ^ number(a)) - (number(target) ^ number(b))
        expect(Math.sign(compareDistance(target, a, b))).to.equal(difference < 0n ? -1 : difference > 0n ? 1 : 0)
      })
    )
  })

  it('puts a key in the bucket of its highest differing bit', () => {
    fc.assert(
      fc.property(key, key, (a, b) => {
        const apart = number(a) ^ number(b)
        expect(bucketIndex(a, b)).to.equal(apart === 0n ? -1 : apart.toString(2).length - 1)
        for (let i = 0; i < BUCKETS; i++) expect(differsAt(a, b, i)).to.equal(((apart >> BigInt(i)) & 1n) === 1n)
      }),
      { numRuns: 50 }
    )
  })

  it('makes keys for a bucket, with chance in the lower bits alone', () => {
    fc.assert(
      fc.property(key, key, fc.integer({ min: 0, max: BUCKETS - 1 }), (self, chance, index) => {
        const made = keyInBucket(self, index, chance)
        expect(bucketIndex(self, made)).to.equal(index)
        const low = (1n << BigInt(index)) - 1n
        expect(number(made) & low).to.equal(number(chance) & low)
      })
    )
  })
})
