import { parseOptions, UsageError } from '#bench/options.js'
import type { Suite } from '#bench/suite.js'
import { expect } from 'chai'

const variant = () => Promise.reject(new Error('must not run'))
const suites: Suite[] = [
  {
    name: 'kernel',
    cases: [
      { name: 'a', unit: 'ms', better: 'lower', ours: variant, peers: { avvio: variant, nestjs: variant } },
      { name: 'b', unit: 'ms', better: 'lower', ours: variant, peers: { libp2p: variant } }
    ]
  },
  { name: 'rpc', cases: [] }
]
const parse = (line: string) => parseOptions(line.split(' ').filter(Boolean), suites)

describe('the command line of the bench', () => {
  it('measures a suite against all its peers unless told otherwise', () => {
    const { suite, peers, ...rest } = parse('kernel')
    expect(suite?.name).to.equal('kernel')
    expect([...peers]).to.deep.equal(['avvio', 'nestjs', 'libp2p'])
    expect(rest).to.deep.equal({ json: false, rounds: 5, quick: false, install: false })
  })

  it('takes its options before and after the suite', () => {
    const { suite, peers, ...rest } = parse('--json kernel --peers avvio,libp2p --quick --rounds 7 --install')
    expect(suite?.name).to.equal('kernel')
    expect([...peers]).to.deep.equal(['avvio', 'libp2p'])
    expect(rest).to.deep.equal({ json: true, rounds: 7, quick: true, install: true })
  })

  it('does three rounds when it is to be quick', () => {
    expect(parse('kernel --quick').rounds).to.equal(3)
  })

  it('measures ours alone with --peers none', () => {
    expect([...parse('kernel --peers none').peers]).to.deep.equal([])
  })

  it('only installs without a suite', () => {
    const { suite, install } = parse('--install')
    expect({ suite, install }).to.deep.equal({ suite: undefined, install: true })
  })

  for (const [line, why] of [
    ['', 'name a suite: kernel, rpc'],
    ['kernels', 'no such suite: kernels'],
    ['kernels --install', 'no such suite: kernels'],
    ['kernel rpc', 'one suite at a time'],
    ['kernel --fast', '--fast'],
    ['kernel --rounds 0', '--rounds takes a whole number'],
    ['kernel --rounds 2.5', '--rounds takes a whole number'],
    ['kernel --rounds many', 'not many'],
    ['kernel --json=yes', '--json'],
    ['kernel --peers fastify', 'no such peer: fastify'],
    ['kernel --peers avvio,', 'no such peer'],
    ['rpc --peers avvio', 'no such peer: avvio']
  ] as const) {
    it(`refuses "${line}"`, () => {
      expect(() => parse(line)).to.throw(UsageError, why)
    })
  }
})
