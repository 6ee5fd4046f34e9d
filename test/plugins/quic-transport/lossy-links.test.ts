import { expect } from 'chai'
import {
  chunksOf,
  createKernel,
  Datagrams,
  Identity,
  Transport,
  writeChunk,
  type Connection,
  type Stream
} from '#src/kernel/index.js'
import { identity } from '#src/plugins/identity/index.js'
import { MemoryNetwork, memoryNetwork } from '#src/plugins/memory-network/index.js'
import { quicTransport } from '#src/plugins/quic-transport/index.js'
import { seededRandom, stopAfterTest } from '#src/testkit/index.js'

const LATENCY_MS = 3
const BYTES = 2 * 2 ** 20
const chunk = new Uint8Array(32 * 1024)

async function startNode(network: MemoryNetwork, host: string, congestionControl: 'cubic' | 'bbr' | 'reno') {
  const kernel = createKernel({
    plugins: [identity, memoryNetwork.with({ network, host }), quicTransport.with({ congestionControl })]
  })
  await stopAfterTest(kernel).start()
  return {
    id: kernel.resolve(Identity).nodeId,
    address: kernel.resolve(Datagrams).primary.local,
    transport: kernel.resolve(Transport)
  }
}

async function count(stream: Stream): Promise<number> {
  let bytes = 0
  for await (const { length } of chunksOf(stream)) bytes += length
  return bytes
}

/** Resolves with the bytes that the other side read. */
async function transfer(from: Connection, to: Connection): Promise<number> {
  const read = new Promise<number>((resolve) => (to.onStream = (stream) => void count(stream).then(resolve)))
  const stream = await from.open()
  for (let sent = chunk.length; sent < BYTES; sent += chunk.length) await writeChunk(stream, chunk)
  stream.end(chunk)
  return read
}

describe('QUIC over a link that loses 5 % each way', () => {
  for (const congestionControl of ['cubic', 'bbr', 'reno'] as const) {
    it(`goes on at full length in both directions, with ${congestionControl}, and knows its round trip`, async function () {
      this.timeout(60_000)
      const network = new MemoryNetwork({ latencyMs: LATENCY_MS, lossRate: 0.05, random: seededRandom(5) })
      const a = await startNode(network, '10.0.0.1', congestionControl)
      const b = await startNode(network, '10.0.0.2', congestionControl)
      const accepted = new Promise<Connection>((resolve) => (b.transport.onConnection = resolve))
      const out = await a.transport.dial(b.id, b.address)
      const inward = await accepted
      expect(await Promise.all([transfer(out, inward), transfer(inward, out)])).to.deep.equal([BYTES, BYTES])
      // A round trip that is measured wrongly grows with the connection's age, and all time-outs with it.
      for (const end of [out, inward]) expect(end.stats().rttMs).to.be.below(100 * LATENCY_MS)
    })
  }
})
