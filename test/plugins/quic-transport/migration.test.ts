import { expect } from 'chai'
import { travel } from '../../load/migration/journey.js'

describe('a QUIC connection that moves 12 times under load, and whose path dies twice', () => {
  it('loses nothing', async function () {
    this.timeout(30_000)
    const outcome = await travel({ bytes: 20e6, calls: 100, moves: 12, deaths: 2 })
    expect(outcome.complaints).to.deep.equal([])
    expect(outcome.bytes).to.be.at.least(20e6)
    expect(outcome.calls).to.be.at.least(100)
  })
})
