import { expect } from 'chai'
import { RpcRegistry, type Connection } from '#src/kernel/index.js'
import { rpc } from '#src/plugins/rpc/index.js'
import { exposing, rpcRegistryConformance, type RpcEnd, type RpcPair } from '#src/testkit/index.js'
import { altered, type Change } from './altered-registry.js'
import { brokenRegistries } from './broken-registries.js'
import { failureOf, testsOf } from './collect.js'
import { overMemory, overQuic, type Surroundings } from './surroundings.js'

async function connectedPair({ clock, start }: Surroundings): Promise<RpcPair> {
  // Each test waits until the streams that calls have shared are gone.
  const brief = rpc.with({ laneIdleMs: 50 })
  const exposed = [exposing(brief, RpcRegistry), exposing(brief, RpcRegistry)] as const
  const a = await start(1, exposed[0].plugin)
  const b = await start(2, exposed[1].plugin)
  const accepted = new Promise<Connection>((resolve) => b.pool.onConnection(resolve))
  const both = Promise.all([a.pool.dial(b.contact), accepted])
  const [outbound, inbound] = await (clock === undefined ? both : clock.until(both))
  const endOf = (nth: 0 | 1, connection: RpcEnd['connection']): RpcEnd => {
    const { contact, kernel } = [a, b][nth]!
    return { registry: exposed[nth].implementation(), id: contact.id, connection, stop: () => kernel.stop() }
  }
  const ends = [endOf(0, outbound), endOf(1, inbound)] as const
  return {
    ...(clock && { clock }),
    a: ends[0],
    b: ends[1],
    async stop() {
      await Promise.all(ends.map((end) => end.stop()))
    }
  }
}

for (const [name, surroundings] of [
  ['memory-transport in virtual time', overMemory],
  ['QUIC', overQuic]
] as const) {
  rpcRegistryConformance({ name: `rpc over ${name}`, create: () => connectedPair(surroundings()), describe, it })
}

describe('the suite for RpcRegistry', () => {
  const suiteWith = (change: Change) =>
    testsOf((runner) => {
      rpcRegistryConformance({
        name: 'a registry',
        async create() {
          const pair = await connectedPair(overMemory())
          return { ...pair, a: altered(pair.a, change), b: altered(pair.b, change) }
        },
        ...runner
      })
    })
  const good = suiteWith(() => ({}))
  const titles = [...good.keys()]

  it('has a broken registry for each of its tests', () => {
    expect(Object.keys(brokenRegistries)).to.deep.equal(titles)
  })

  it('takes one that is as it should be', async () => {
    for (const title of titles.filter((_, i) => i % 4 === 0)) {
      expect(await failureOf(good.get(title)), title).to.equal(undefined)
    }
  })

  for (const title of titles) {
    it(`refuses a broken one: ${title}`, async () => {
      expect(await failureOf(suiteWith(brokenRegistries[title]!).get(title))).to.be.instanceOf(Error)
    })
  }
})
