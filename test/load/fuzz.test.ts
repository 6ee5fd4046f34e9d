import { expect } from 'chai'
import { KINDS, readCorpus } from './corpus.js'
import { fuzz } from './fuzz.js'
import { Mutations } from './mutations.js'

const SEED = 20_261_124

describe('fuzzing', () => {
  it('repeats itself by its seed, and knows datagrams of every kind', () => {
    const corpus = readCorpus()
    for (const kind of KINDS) expect(corpus[kind].length, kind).to.be.above(0)
    const [one, same, other] = [SEED, SEED, 1].map((seed) => {
      const mutations = new Mutations(corpus, seed)
      return Buffer.concat(Array.from({ length: 500 }, () => mutations.next().data)).toString('hex')
    })
    expect(one === same).to.equal(true)
    expect(one === other).to.equal(false)
  })

  it('does no harm to a node that is being called', async () => {
    const { problems } = await fuzz({ datagrams: 6_000, seed: SEED })
    expect(problems).to.deep.equal([])
  }).timeout(60_000)
})
