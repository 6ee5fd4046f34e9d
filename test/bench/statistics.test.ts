import { median, significant, spread, timesBetter } from '#bench/statistics.js'
import { expect } from 'chai'
import fc from 'fast-check'

describe('the figures of a benchmark', () => {
  it('have a median that one slow round does not move', () => {
    expect(median([3])).to.equal(3)
    expect(median([9, 1, 2])).to.equal(2)
    expect(median([1, 2, 3, 1_000])).to.equal(2.5)
    expect(() => median([])).to.throw(RangeError)
  })

  it('have a median with as many figures above it as below', () => {
    fc.assert(
      fc.property(fc.array(fc.integer(), { minLength: 1 }), (values) => {
        const middle = median(values)
        const above = values.filter((value) => value > middle).length
        const below = values.filter((value) => value < middle).length
        expect(Math.abs(above - below)).to.be.at.most(values.filter((value) => value === middle).length)
        expect(values).to.have.length.at.least(above + below)
      })
    )
  })

  it('are compared so that above 1 ours is ahead, whichever direction is better', () => {
    expect(timesBetter('higher', 26_000, 13_000)).to.equal(2)
    expect(timesBetter('lower', 5, 10)).to.equal(2)
    expect(timesBetter('lower', 10, 5)).to.equal(0.5)
    expect(timesBetter('higher', 10, 20)).to.equal(0.5)
  })

  it('are rounded to what they can say', () => {
    expect(significant(0.123456)).to.equal(0.123)
    expect(significant(25_123.4)).to.equal(25_123)
    expect(spread([0.55555, 0.1, 0.33333])).to.deep.equal([0.1, 0.556])
  })
})
