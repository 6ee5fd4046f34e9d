import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { expect } from 'chai'
import { readChunk, type Connection } from '#src/kernel/index.js'
import { connectedPair, startNode, type TestNode } from './nodes.js'
import { seeded, tapped } from './wraps.js'

/** Datagrams sent before the event loop gets its turn. */
const BATCH = 100

async function echoes(connection: Connection): Promise<void> {
  const stream = await connection.open()
  stream.end(Buffer.from('still there?'))
  expect(Buffer.from((await readChunk(stream))!).toString()).to.equal('still there?')
  await readChunk(stream)
}

function echo(connection: Connection): void {
  connection.onStream = (stream) => {
    void readChunk(stream).then((chunk) => {
      stream.end(chunk ?? undefined)
    })
  }
}

/** Throws datagrams at a node, and checks that each was taken from its socket. */
async function bombard(target: TestNode, count: number, datagram: (i: number) => Uint8Array): Promise<void> {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  try {
    for (let i = 0; i < count;) {
      const last = Math.min(count, i + BATCH)
      const sent: Promise<void>[] = []
      for (; i < last; i++) {
        const data = datagram(i)
        sent.push(
          new Promise((resolve) =>
            socket.send(data, target.address.port, target.address.host, () => {
              resolve()
            })
          )
        )
      }
      await Promise.all(sent)
      await new Promise((resolve) => setImmediate(resolve))
    }
  } finally {
    socket.close()
  }
}

const totalDropped = ({ transport }: TestNode): number =>
  Object.values(transport.stats().dropped).reduce((sum, n) => sum + n, 0)

describe('the QUIC endpoint survives', () => {
  const unhandled: unknown[] = []
  const note = (error: unknown): unknown => unhandled.push(error)

  before(() => process.on('unhandledRejection', note))
  after(() => {
    process.off('unhandledRejection', note)
    expect(unhandled).to.deep.equal([])
  })

  /** An echo over a connection from before, a new dial, and nothing left over. */
  async function expectHealthy(pair: { a: TestNode; b: TestNode; out: Connection }): Promise<void> {
    await echoes(pair.out)
    const [fresh, accepted] = await Promise.all([pair.a.transport.dial(pair.b.id, pair.b.address), pair.b.accepted()])
    echo(accepted)
    await echoes(fresh)
    expect(pair.b.transport.stats().dropped['internal error']).to.equal(undefined)
  }

  it('100,000 random datagrams', async function () {
    this.timeout(60_000)
    await using pair = await connectedPair()
    echo(pair.in)
    const random = seeded(7)
    const noise = Buffer.from(Array.from({ length: 64 * 1024 }, () => Math.floor(random() * 256)))
    await bombard(pair.b, 100_000, (i) => {
      const length = 1 + Math.floor(random() * 1_500)
      const at = Math.floor(random() * (noise.length - length))
      const data = Buffer.from(noise.subarray(at, at + length))
      // All of QUIC's share of first bytes, half of them with version 1 behind.
      data[0] = 0x40 + (i % 0xc0)
      if (i % 2 === 0 && length > 5) data.writeUInt32BE(1, 1)
      return data
    })
    expect(totalDropped(pair.b)).to.be.above(10_000)
    await expectHealthy(pair)
  })

  it('the datagram that ends a process of the stock server', async () => {
    await using pair = await connectedPair()
    echo(pair.in)
    const before = totalDropped(pair.b)
    await bombard(pair.b, 10, () => {
      const data = Buffer.alloc(64, 7)
      data[0] = 0xd0
      data.writeUInt32BE(1, 1)
      data[5] = 20
      data[26] = 20
      return data
    })
    await expectHealthy(pair)
    expect(totalDropped(pair.b)).to.equal(before + 10)
    expect(pair.b.transport.stats().dropped['unknown connection']).to.be.at.least(10)
  })

  it('a real handshake and its packets, cut off and with bits flipped', async function () {
    this.timeout(60_000)
    const captured: Uint8Array[] = []
    const tap = {
      wrap: tapped({
        send: (data) => {
          captured.push(Uint8Array.from(data))
          return true
        }
      })
    }
    await using pair = await connectedPair({ ...tap, quic: { maxHandshakes: 50 } })
    echo(pair.in)
    await echoes(pair.out)
    const originals = captured.slice()
    expect(originals.length).to.be.above(4)
    const random = seeded(11)
    await bombard(pair.b, 20_000, (i) => {
      const data = Uint8Array.from(originals[i % originals.length]!)
      if (i % 3 === 0) return data.subarray(0, 1 + Math.floor(random() * data.length))
      for (let flips = i % 3; flips > 0; flips--) {
        const at = Math.floor(random() * (i % 2 === 0 ? Math.min(64, data.length) : data.length))
        data[at] = data[at]! ^ (1 << Math.floor(random() * 8))
      }
      return data
    })
    expect(pair.b.transport.stats().handshakes).to.be.at.most(50)
    await echoes(pair.out)
  })

  it('a flood of handshakes that go nowhere, which then expire', async function () {
    this.timeout(20_000)
    const firsts: Uint8Array[] = []
    await using a = await startNode({
      quic: { handshakeTimeoutMs: 2_000 },
      wrap: tapped({
        send: (data) => {
          firsts.push(Uint8Array.from(data))
          return false
        }
      })
    })
    await using b = await startNode({ quic: { maxHandshakes: 5, handshakeTimeoutMs: 500 } })
    const dials = Array.from({ length: 20 }, () => a.transport.dial(b.id, b.address).catch(() => undefined))
    while (firsts.length < 20) await new Promise((resolve) => setImmediate(resolve))
    await bombard(b, 20, (i) => firsts[i]!)
    while ((b.transport.stats().dropped['handshake limit'] ?? 0) < 15)
      await new Promise((resolve) => setTimeout(resolve, 5))
    expect(b.transport.stats().handshakes).to.equal(5)
    while (b.transport.stats().handshakes > 0) await new Promise((resolve) => setTimeout(resolve, 20))
    await Promise.all(dials)
    expect(a.transport.stats().handshakes).to.equal(0)
    await using c = await startNode()
    await c.transport.dial(b.id, b.address)
  })
})
