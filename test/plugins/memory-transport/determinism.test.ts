import { expect } from 'chai'
import { chunksOf, type Stream } from '#src/kernel/index.js'
import { MemoryNetwork } from '#src/plugins/memory-network/index.js'
import { seededRandom, VirtualClock } from '#src/testkit/index.js'
import { startNode } from './nodes.js'

const NODES = 4

/** A small busy network, and everything that was seen in it, with its time. */
async function run(seed: number): Promise<string[]> {
  const clock = new VirtualClock()
  const network = new MemoryNetwork({ clock, random: seededRandom(seed), latencyMs: [10, 90], lossRate: 0.1 })
  const log: string[] = []
  const note = (text: string): void => void log.push(`${clock.monotonic()} ${text}`)
  const consume = async (stream: Stream): Promise<void> => {
    let bytes = 0
    for await (const chunk of chunksOf(stream)) note(`${stream.connection.id} read ${(bytes += chunk.length)}`)
  }
  const nodes = await Promise.all(Array.from({ length: NODES }, (_, n) => startNode(n + 1, { network, clock })))
  for (const { transport } of nodes) {
    transport.onConnection = (connection) => {
      note(`${connection.id} accepted from ${connection.peer}`)
      connection.onStream = (stream) => void consume(stream)
    }
  }
  const dials = nodes.flatMap((from, i) =>
    nodes.slice(i + 1).map(async (to) => {
      const connection = await from.transport.dial(to.identity.nodeId, to.address)
      note(`${connection.id} dialled`)
      for (let n = 0; n < 3; n++) (await connection.open()).end(new Uint8Array(5_000))
    })
  )
  await clock.until(Promise.all(dials))
  await clock.advance(20_000)
  for (const { kernel } of nodes) await clock.until(kernel.stop())
  return [...log, JSON.stringify(network.stats)]
}

describe('a simulated network', () => {
  it('does the same again with the same seed, and something else with another', async () => {
    const first = await run(1)
    expect(first.length).to.be.greaterThan(50)
    expect(await run(1)).to.deep.equal(first)
    expect(await run(2)).to.not.deep.equal(first)
  })
})
