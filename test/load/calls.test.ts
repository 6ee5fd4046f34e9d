import { expect } from 'chai'
import { runCalls } from './calls/run.js'

describe('calls over a link that loses packets', function () {
  this.timeout(120_000)

  for (const [protocol, calls] of [
    ['peerloom/1', 2_000],
    ['matrixai-rpc/1', 600]
  ] as const) {
    it(`end once each, and as they should, in ${protocol}, and leave nothing behind`, async () => {
      const { complaints, outcomes } = await runCalls({ calls, seed: 20_261_124, protocol })
      expect(complaints).to.deep.equal([])
      for (const [outcome, count] of Object.entries(outcomes)) expect(count, outcome).to.be.above(0)
    })
  }
})
