import { expect } from 'chai'
import { readChunk, type Connection, type Stream } from '#src/kernel/index.js'
import { MemoryNetwork } from '#src/plugins/memory-network/index.js'
import { seededRandom, VirtualClock } from '#src/testkit/index.js'
import { startNode } from './nodes.js'

const BYTES = new TextEncoder().encode('hello')

describe('memory-transport in virtual time', () => {
  it('dials in one round trip, and reaches the handler half a round trip later', async () => {
    const clock = new VirtualClock()
    const network = new MemoryNetwork({ clock, random: seededRandom(1), latencyMs: 100 })
    const [a, b] = [await startNode(1, { network, clock }), await startNode(2, { network, clock })]
    let accepted: number | undefined
    b.transport.onConnection = (connection) => {
      accepted = clock.monotonic()
      expect(connection.peer).to.equal(a.identity.nodeId)
      connection.onStream = (stream) => {
        stream.end(stream.read() ?? undefined)
      }
    }
    const connection = await clock.until(a.transport.dial(b.identity.nodeId, b.address))
    expect(clock.monotonic()).to.equal(200)
    const stream = await connection.open()
    stream.end(BYTES)
    expect(await clock.until(readChunk(stream))).to.deep.equal(BYTES)
    expect(clock.monotonic()).to.equal(400)
    expect(accepted).to.equal(300)
    expect(await clock.until(readChunk(stream))).to.equal(null)
    expect(connection.stats().rttMs).to.equal(200)
    await a.kernel.stop()
    await clock.advance(100)
    await b.kernel.stop()
    await clock.advance(100)
    expect(clock.pending).to.equal(0)
  })

  it('brings all bytes over a link that loses a fifth of them', async () => {
    const clock = new VirtualClock()
    const network = new MemoryNetwork({ clock, random: seededRandom(7), latencyMs: [10, 30], lossRate: 0.2 })
    const [a, b] = [await startNode(1, { network, clock }), await startNode(2, { network, clock })]
    const accepted = new Promise<Connection>((resolve) => (b.transport.onConnection = resolve))
    const connection = await clock.until(a.transport.dial(b.identity.nodeId, b.address))
    const stream = await connection.open()
    const sent = seededRandom(3).bytes(600_000)
    stream.end(sent)
    const inbound = await clock.until(accepted)
    const other = await clock.until(new Promise<Stream>((resolve) => (inbound.onStream = resolve)))
    const chunks: Uint8Array[] = []
    const reading = (async () => {
      for (let chunk = await readChunk(other); chunk !== null; chunk = await readChunk(other)) chunks.push(chunk)
    })()
    await clock.until(reading)
    expect(Buffer.concat(chunks).equals(sent)).to.equal(true)
    expect(connection.stats().lostPackets).to.be.greaterThan(50)
    await clock.until(Promise.all([a.kernel.stop(), b.kernel.stop()]))
  })
})
