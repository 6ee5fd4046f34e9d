import { expect } from 'chai'
import { overMemory, overQuic, run } from '#examples/swap-transport/index.js'

describe('the calculator', () => {
  for (const [name, transport] of [
    ['over QUIC', overQuic],
    ['over memory', overMemory()]
  ] as const) {
    it(`answers all five kinds of call ${name}`, async () => {
      expect(await run(transport)).to.deep.equal({
        squared: 144,
        sum: 15,
        counted: [3, 4, 5, 6, 7],
        echoed: [7, 8, 9],
        factorials: '120'
      })
    })
  }
})
