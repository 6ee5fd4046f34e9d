import type { Socket } from 'node:dgram'
import { once } from 'node:events'
import { expect } from 'chai'
import { CloseCode, readChunk, type Connection, type DatagramHandler } from '#src/kernel/index.js'
import { initialToken, isLongHeader, readLongHeader } from '#src/plugins/quic-transport/packet.js'
import { firstInitial } from '../../load/captures.js'
import { Clients } from '../../load/initial.js'
import { bareSocket } from '../../load/sockets.js'
import { startNode, type TestNode } from './nodes.js'
import { seenAt, tapped } from './wraps.js'

const RETRY = 0xf0

async function echoes(out: Connection, inward: Connection): Promise<void> {
  inward.onStream = (stream) => {
    void readChunk(stream).then((chunk) => {
      stream.end(chunk ?? undefined)
    })
  }
  const stream = await out.open()
  stream.end(Buffer.from('hello'))
  expect(Buffer.from((await readChunk(stream))!).toString()).to.equal('hello')
}

/** A node whose clients must always prove their address, and what it was sent and has sent. */
async function cautious(quic: object = {}) {
  const received: Uint8Array[] = []
  const sent: Uint8Array[] = []
  const node = await startNode({
    quic: { retryAboveHandshakes: 0, ...quic },
    wrap: tapped({
      receive: (data) => received.push(Uint8Array.from(data)) > 0,
      send: (data) => sent.push(Uint8Array.from(data)) > 0
    })
  })
  return { node, received, sent, [Symbol.asyncDispose]: () => node.stop() }
}

/** Sends datagrams to a node from a socket, and waits until each is counted under `cause`. */
async function dropped(node: TestNode, socket: Socket, cause: string, datagrams: readonly Uint8Array[]): Promise<void> {
  const count = (): number => node.transport.stats().dropped[cause] ?? 0
  const wanted = count() + datagrams.length
  for (const data of datagrams) socket.send(data, node.address.port, node.address.host)
  while (count() < wanted) await new Promise((resolve) => setTimeout(resolve, 2))
  expect(count()).to.equal(wanted)
}

describe('validation of addresses by Retry', () => {
  it('costs nothing below the threshold', async () => {
    await using b = await startNode({ quic: { retryAboveHandshakes: 2 } })
    await using a = await startNode()
    await a.transport.dial(b.id, b.address)
    await a.transport.dial(b.id, b.address)
    expect(b.transport.stats().dropped).to.deep.equal({})
  })

  it('takes one more round trip, and then all is as ever', async () => {
    await using b = await cautious()
    await using a = await startNode()
    const [out, inward] = await Promise.all([a.transport.dial(b.node.id, b.node.address), b.node.accepted()])
    await echoes(out, inward)
    expect(inward.peer).to.equal(a.id)
    expect(b.node.transport.stats().dropped).to.deep.equal({ 'unproven address': 1 })
    const retry = readLongHeader(b.sent[0]!)!
    expect(retry.first & RETRY).to.equal(RETRY)
    const first = readLongHeader(b.received[0]!)!
    expect(Buffer.from(retry.dcid)).to.deep.equal(Buffer.from(first.scid))
    const second = readLongHeader(b.received[1]!)!
    expect(Buffer.from(second.dcid), 'the id that the Retry packet gave').to.deep.equal(Buffer.from(retry.scid))
    expect(initialToken(b.received[1]!, second)!.length).to.be.above(0)
  })

  it('begins when others are under way, and leaves room for who proves its address', async () => {
    await using b = await startNode({ quic: { retryAboveHandshakes: 3, maxHandshakes: 5 } })
    using socket = await bareSocket()
    for (let i = 0; i < 3; i++) socket.send(await firstInitial(), b.address.port, b.address.host)
    while (b.transport.stats().handshakes < 3) await new Promise((resolve) => setTimeout(resolve, 2))
    await dropped(b, socket, 'unproven address', await Promise.all(Array.from({ length: 20 }, firstInitial)))
    expect(b.transport.stats().handshakes, 'kept for unproven addresses').to.equal(3)
    await using a = await startNode()
    const [out, inward] = await Promise.all([a.transport.dial(b.id, b.address), b.accepted()])
    await echoes(out, inward)
  })

  it('answers so many in a turn of the event loop, and the others when they come again', async () => {
    let handle!: DatagramHandler
    let answers = 0
    await using b = await startNode({
      quic: { retryAboveHandshakes: 0 },
      wrap: (datagrams) => {
        const wrapped = tapped({ send: () => ++answers < 0 })(datagrams)
        const receive: typeof wrapped.primary.receive = (_, handler) => {
          handle = handler
          return () => undefined
        }
        return { ...wrapped, primary: { ...wrapped.primary, receive } }
      }
    })
    const clients = new Clients(await firstInitial())
    for (let turn = 1; turn <= 3; turn++) {
      for (let i = 0; i < 50; i++) handle(clients.next(), { host: '192.0.2.1', port: 1_000 + i }, b.datagrams.primary)
      expect(answers).to.equal(8 * turn)
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(b.transport.stats()).to.deep.equal({ connections: 0, handshakes: 0, dropped: { 'unproven address': 150 } })
  })

  it('refuses and counts tokens that are forged, of another process, or of another address', async () => {
    await using b = await cautious()
    await using a = await startNode()
    await a.transport.dial(b.node.id, b.node.address)
    const shown = b.received.find(
      (data) => isLongHeader(data) && initialToken(data, readLongHeader(data)!)!.length > 0
    )!
    const header = readLongHeader(shown)!
    const forged = Uint8Array.from(shown)
    initialToken(forged, header)![3]! ^= 1
    using elsewhere = await bareSocket()
    // Its connection id leads to the connection still; the copies have ids that lead nowhere.
    const stray = [shown, forged].map((data) => {
      const copy = Uint8Array.from(data)
      copy[6]! ^= 0xff
      return copy
    })
    await dropped(b.node, elsewhere, 'forged token', stray)
    await using other = await cautious()
    await dropped(other.node, elsewhere, 'forged token', [shown])
    expect(other.node.transport.stats().handshakes).to.equal(0)
    expect(other.sent, 'what was answered').to.deep.equal([])
  })

  it('refuses tokens that come again from another port, or late', async () => {
    await using b = await cautious({ retryTokenMs: 1 })
    using socket = await bareSocket()
    socket.send(await firstInitial(), b.node.address.port, b.node.address.host)
    const [retry] = (await once(socket, 'message')) as [Buffer]
    const { dcid, scid } = readLongHeader(retry)!
    const token = retry.subarray(7 + dcid.length + scid.length, -16)
    const second = Buffer.alloc(1_200)
    second.set([0xc0, 0, 0, 0, 1, scid.length, ...scid, dcid.length, ...dcid, token.length, ...token])
    await new Promise((resolve) => setTimeout(resolve, 5))
    await dropped(b.node, socket, 'late token', [second])
    using elsewhere = await bareSocket()
    await dropped(b.node, elsewhere, 'forged token', [second])
    expect(b.node.transport.stats().handshakes).to.equal(0)
  })
})

describe('limits of connections that others make', () => {
  it('turn away one connection of a node too many, with LIMIT', async () => {
    await using b = await startNode({ quic: { maxConnectionsPerNode: 2 }, wrap: seenAt('192.0.2.1') })
    await using a = await startNode()
    const kept = [await a.transport.dial(b.id, b.address), await a.transport.dial(b.id, b.address)]
    const third = await a.transport.dial(b.id, b.address)
    expect(await third.closed).to.deep.include({ code: CloseCode.LIMIT, by: 'peer', transport: false })
    expect(b.transport.stats().dropped).to.deep.equal({ 'connection limit of a node': 1 })
    expect(b.inbound.length, 'given to a handler').to.equal(2)
    await using c = await startNode()
    await c.transport.dial(b.id, b.address)
    const [first, , ofC] = [await b.accepted(), await b.accepted(), await b.accepted()]
    expect(ofC.peer).to.equal(c.id)
    kept[0]!.close()
    await first.closed
    const [again, inward] = await Promise.all([a.transport.dial(b.id, b.address), b.accepted()])
    await echoes(again, inward)
  })

  it('drop what one address begins too much, and hold for nobody on loopback', async () => {
    const quic = { maxConnectionsPerAddress: 1, maxConnectionsPerNode: 1, maxHandshakesPerAddress: 1 }
    await using b = await startNode({ quic, wrap: seenAt('2001:db8::1') })
    await using local = await startNode({ quic })
    await using a = await startNode({ quic: { handshakeTimeoutMs: 500 } })
    await a.transport.dial(b.id, b.address)
    const error = await a.transport.dial(b.id, b.address).then(
      () => undefined,
      (reason: unknown) => reason
    )
    expect(error).to.have.property('code', 'ERR_DIAL')
    expect(b.transport.stats().dropped['connection limit of an address']).to.be.above(0)
    expect(b.transport.stats().connections).to.equal(1)
    await Promise.all(Array.from({ length: 5 }, () => a.transport.dial(local.id, local.address)))
    expect(local.transport.stats().dropped).to.deep.equal({})
  })
})
