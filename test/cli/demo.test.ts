import { expect } from 'chai'
import { NodeId } from '#src/index.js'
import { Command } from './command.js'

interface Summary {
  processes: number
  nodes: number
  lookup: { hops: number; contacted: string[] }
  calls: Record<string, unknown>
  ms: number
}

describe('peerloom demo', () => {
  it('finds and calls a node among 20 in 3 processes, and ends with one line of JSON', async () => {
    await using command = new Command('demo', '--json')
    expect(await command.exit, command.err).to.equal(0)
    const lines = command.out.trim().split('\n')
    expect(lines).to.have.length(1)
    const summary = JSON.parse(lines[0]!) as Summary
    expect(summary).to.include({ processes: 3, nodes: 20 })
    expect(summary.lookup.hops).to.be.greaterThan(0)
    expect(summary.lookup.contacted).to.have.length.greaterThan(0)
    expect(summary.lookup.contacted.every(NodeId.is)).to.equal(true)
    expect(summary.ms).to.be.greaterThan(0)
    expect(summary.calls).to.deep.equal({
      SquaredNumberUnary: { value: 144 },
      AccumulateClient: { value: 15 },
      CountServer: [3, 4, 5, 6, 7].map((value) => ({ value })),
      EchoDuplex: [7, 8, 9].map((value) => ({ value })),
      FactorialRaw: { result: 'Starting factorial computation', body: '120' }
    })
  }).timeout(30_000)

  it('says so when one of its processes is lost', async () => {
    await using command = new Command('demo', '--stay')
    await command.says(/the network stays up/)
    process.kill(Number(/process (\d+):/.exec(command.out)![1]), 'SIGKILL')
    expect(await command.exit).to.equal(1)
    expect(command.err).to.equal('peerloom: a process of the demo ended early (SIGKILL)\n')
  }).timeout(30_000)

  it('stays up with --stay, and stops all its processes on SIGTERM', async () => {
    await using command = new Command('demo', '--stay')
    await command.says(/the network stays up/)
    const workers = [...command.out.matchAll(/process (\d+):/g)].map(([, pid]) => Number(pid))
    expect(workers).to.have.length(2)
    command.signal('SIGTERM')
    expect(await command.exit).to.equal(0)
    for (const pid of workers) expect(() => process.kill(pid, 0)).to.throw('ESRCH')
  }).timeout(30_000)
})
