import { makeResult, toTable } from '#bench/report.js'
import { runCase } from '#bench/run.js'
import type { Case, Variant } from '#bench/suite.js'
import { expect } from 'chai'

const NODES = { bench: '/bench/node', peers: '/peers/node' }
const everyone = { rounds: 3, quick: false, peers: new Set(['peer', 'other']) }
const versionOf = (node: string): string => (node === NODES.bench ? 'v20' : 'v22')

/** A variant that gives these values, one a turn, and notes that its turn came. */
function giving(values: readonly number[], log: string[] = [], name = ''): Variant {
  const rest = [...values]
  return async ({ node }) => {
    log.push(`${name}@${node}`)
    const value = rest.shift()
    return value === undefined ? Promise.reject(new Error(`${name} broke`)) : Promise.resolve({ value, count: 10 })
  }
}

const make = (more: Partial<Case> = {}): Case => ({
  name: 'calls',
  unit: 'calls/s',
  better: 'higher',
  ours: giving([20, 10, 30]),
  peers: { peer: giving([5, 50, 10]) },
  ...more
})

describe('the rounds of a benchmark', () => {
  it('let everyone take turns, each on its Node', async () => {
    const log: string[] = []
    const subject = make({
      node: 'peers',
      turns: 2,
      ours: giving([1, 1], log, 'ours'),
      peers: { peer: giving([1, 1], log, 'peer') },
      also: { here: giving([1, 1], log, 'here') }
    })
    await runCase(subject, { ...everyone, rounds: 1 }, NODES)
    const turn = ['ours@/peers/node', 'peer@/peers/node', 'here@/bench/node']
    expect(log).to.deep.equal([...turn, ...turn])
  })

  it('end in medians, ratios, spread and counts', async () => {
    const subject = make({ limit: { what: 'an echo', measure: giving([40, 40, 40]) } })
    const result = makeResult(subject, await runCase(subject, everyone, NODES), versionOf)
    expect(result).to.deep.equal({
      name: 'calls',
      unit: 'calls/s',
      ours: 20,
      peers: { peer: 10 },
      ratios: { peer: 2 },
      limit: { what: 'an echo', value: 40, share: 0.5 },
      spread: { ours: [10, 30], peer: [5, 50], 'an echo': [40, 40] },
      counts: { ours: 30, peer: 30, 'an echo': 30 },
      nodes: { ours: 'v20', peer: 'v20', 'an echo': 'v20' }
    })
  })

  it('turn the ratio round where less is better', async () => {
    const subject = make({ unit: 'ms', better: 'lower' })
    expect(makeResult(subject, await runCase(subject, everyone, NODES), versionOf).ratios).to.deep.equal({ peer: 0.5 })
  })

  it('leave out peers that were not asked for', async () => {
    const contestants = await runCase(make(), { ...everyone, peers: new Set() }, NODES)
    expect(contestants.map(({ name }) => name)).to.deep.equal(['ours'])
  })

  it('go on without a peer that fails, and keep its error', async () => {
    const log: string[] = []
    const subject = make({ peers: { peer: giving([5], log, 'peer'), other: giving([1, 2, 3]) } })
    const contestants = await runCase(subject, everyone, NODES)
    expect(log, 'turns after the failure').to.have.length(2)
    expect(contestants.map(({ name, error }) => [name, (error as Error | undefined)?.message])).to.deep.equal([
      ['ours', undefined],
      ['peer', 'peer broke'],
      ['other', undefined]
    ])
    expect(makeResult(subject, contestants, versionOf).peers).to.deep.equal({ other: 2 })
  })

  it('fail if ours does', async () => {
    const failure = await runCase(make({ ours: giving([1], [], 'ours') }), everyone, NODES).catch(
      (error: unknown) => error
    )
    expect((failure as Error).message).to.equal('ours broke')
  })

  it('are told to a person in a table that names who failed', async () => {
    const subject = make()
    const results = [makeResult(subject, await runCase(subject, everyone, NODES), versionOf)]
    const failed = { other: 'calls: no binary' }
    const table = toTable({ suite: 'rpc', rounds: 3, node: 'v20', cpus: 2, results, failed })
    expect(table).to.match(/^calls +ours +20 calls\/s +10 – 30 +30 +v20$/m)
    expect(table).to.match(/^ +peer +10 calls\/s +5 – 50 +2 × as good +30 +v20$/m)
    expect(table).to.contain('other could not run: calls: no binary')
  })
})
