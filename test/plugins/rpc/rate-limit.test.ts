import { expect } from 'chai'
import fc from 'fast-check'
import { MAX_BUCKETS, RateLimit } from '#src/plugins/rpc/rate-limit.js'

function limit(rate: { perSecond: number; burst?: number }) {
  const clock = { now: 0, monotonic: () => clock.now }
  const bucket = new RateLimit(clock, rate)
  const ask = (key = 'a') => {
    const waitMs = bucket.waitMs(key)
    if (waitMs === 0) bucket.take(key)
    return waitMs
  }
  return { clock, bucket, ask }
}

describe('rpc: a rate limit', () => {
  it('gives a burst at once, and then one token after another', () => {
    const { clock, ask } = limit({ perSecond: 10, burst: 3 })
    expect([ask(), ask(), ask(), ask()]).to.deep.equal([0, 0, 0, 100])
    clock.now = 99
    expect(ask()).to.equal(1)
    clock.now = 100
    expect([ask(), ask()]).to.deep.equal([0, 100])
  })

  it('keeps a bucket for each key', () => {
    const { ask } = limit({ perSecond: 1 })
    expect([ask('a'), ask('b'), ask('a')]).to.deep.equal([0, 0, 1000])
  })

  it('forgets buckets that are full again', () => {
    const { clock, bucket, ask } = limit({ perSecond: 1 })
    for (let i = 0; i < 1000; i++) ask(String(i))
    expect(bucket.size).to.equal(1000)
    clock.now = 1000
    for (let i = 0; i < 1000; i++) ask('a')
    clock.now = 2000
    for (let i = 0; i < 1000; i++) {
      ask('a')
      clock.now += 1000
    }
    expect(bucket.size).to.equal(1)
  })

  it('remembers no more keys than it may, whoever asks', () => {
    const { bucket, ask } = limit({ perSecond: 0.001 })
    for (let i = 0; i < MAX_BUCKETS + 100; i++) ask(String(i))
    expect(bucket.size).to.equal(MAX_BUCKETS)
  })

  it('never gives more than its rate and burst allow, nor less to who waits as told', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.1, max: 1000, noNaN: true }),
        fc.integer({ min: 1, max: 20 }),
        fc.array(fc.integer({ min: 0, max: 5000 }), { maxLength: 200 }),
        (perSecond, burst, pauses) => {
          const { clock, ask } = limit({ perSecond, burst })
          let given = 0
          for (const pause of pauses) {
            clock.now += pause
            const waitMs = ask()
            if (waitMs === 0) {
              given++
            } else {
              clock.now += waitMs
              expect(ask()).to.equal(0)
              given++
            }
            expect(given).to.be.at.most(burst + (clock.now / 1000) * perSecond + 1e-6)
          }
        }
      )
    )
  })
})
