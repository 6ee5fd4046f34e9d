import { expect } from 'chai'
import type { KernelDescription } from '#src/index.js'
import { Command } from './command.js'

async function output(...flags: string[]): Promise<string> {
  await using command = new Command('describe', ...flags)
  expect(await command.exit, command.err).to.equal(0)
  return command.out
}

describe('peerloom describe', () => {
  it('prints a tree of the plugins, with what the slowest of each way waited for', async () => {
    const lines = (await output()).trim().split('\n')
    expect(lines[0]).to.match(/^kernel started in \d/)
    expect(lines.slice(1).every((line) => /[├└]─ [\w-]+ · [\d.]+ ms/.test(line))).to.equal(true)
    expect(lines.join())
      .to.match(/quic-transport · [\d.]+ ms · provides Transport@1/)
      .and.to.contain('method kad.')
  }).timeout(20_000)

  it('prints JSON and Mermaid, but not both', async () => {
    const description = JSON.parse(await output('--json')) as KernelDescription
    expect(description.state).to.equal('started')
    expect(description.plugins.map(({ name }) => name)).to.include.members(['udp', 'kademlia', 'rpc'])
    expect((await output('--mermaid')).split('\n')[0]).to.equal('graph TD')
    await using both = new Command('describe', '--json', '--mermaid')
    expect(await both.exit).to.equal(1)
    expect(both.err).to.match(/^peerloom: .*cannot be used with/)
  }).timeout(30_000)
})
