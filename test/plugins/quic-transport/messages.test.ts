import { expect } from 'chai'
import type { Connection } from '#src/kernel/index.js'
import { ask, echo, meet } from './meet.js'
import { connectedPair, startNode } from './nodes.js'
import { tapped } from './wraps.js'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('messages over QUIC', () => {
  for (const without of ['dialler', 'acceptor'] as const) {
    it(`are neither taken nor sent where the ${without} has them turned off`, async () => {
      const [some, none] = [{}, { quic: { maxQueuedMessages: 0 } }]
      await using pair = await connectedPair(...(without === 'dialler' ? [none, some] : [some, none]))
      for (const connection of [pair.out, pair.in]) {
        expect(connection.maxMessageBytes).to.equal(0)
        for (const message of [new Uint8Array(0), Uint8Array.of(1)]) {
          expect(() => connection.sendMessage(message))
            .to.throw()
            .with.property('code', 'ERR_MESSAGE_SIZE')
        }
      }
    })
  }

  it('wait within the limit, and are counted when they are dropped', async () => {
    await using pair = await connectedPair({ quic: { maxQueuedMessages: 5 } })
    const taken = Array.from({ length: 8 }, (_, i) => pair.out.sendMessage(Uint8Array.of(i)))
    expect(taken).to.deep.equal([true, true, true, true, true, false, false, false])
    expect(pair.out.stats()).to.include({ sentMessages: 5, droppedMessages: 3 })
    while (pair.in.stats().receivedMessages < 5) await turn()
    expect(pair.out.sendMessage(Uint8Array.of(8))).to.equal(true)
    while (pair.in.stats().receivedMessages < 6) await turn()
    // The oldest made room for the last.
    expect(pair.in.stats().droppedMessages).to.equal(1)
    const seen: number[] = []
    pair.in.onMessage = ([first = -1]) => seen.push(first)
    expect(seen).to.deep.equal([1, 2, 3, 4, 8])
  })

  it('all arrive that come in one turn, many in a packet', async () => {
    const count = 1_000
    await using pair = await connectedPair({ quic: { maxQueuedMessages: count } })
    const seen: number[] = []
    pair.in.onMessage = (message) => seen.push(Buffer.from(message).readUInt16BE())
    for (let i = 0; i < count; i++) pair.out.sendMessage(Uint8Array.of(i >> 8, i))
    while (seen.length < count) await turn()
    expect(seen).to.deep.equal(Array.from({ length: count }, (_, i) => i))
  })

  it('are not sent again when they are lost', async () => {
    let lose = false
    await using pair = await connectedPair({ wrap: tapped({ send: () => !lose }) }, {})
    const seen: number[] = []
    pair.in.onMessage = ([first = -1]) => seen.push(first)
    lose = true
    pair.out.sendMessage(Uint8Array.of(1))
    while (pair.out.stats().lostPackets === 0) {
      await turn()
      // Whatever is acknowledged later shows that the message is lost.
      lose = false
      await pair.out.ping()
    }
    pair.out.sendMessage(Uint8Array.of(2))
    while (seen.length === 0) await turn()
    expect(seen).to.deep.equal([2])
  })

  it('that come early are given to nobody before the handshake is done', async () => {
    const early = { quic: { earlyData: true } }
    let silent = false
    await using a = await startNode(early)
    await using b = await startNode({ ...early, wrap: tapped({ send: () => !silent }) })
    await meet(a, b)
    const seen: boolean[] = []
    let inward: Connection | undefined
    b.transport.onEarly = (connection) => {
      inward = connection
      connection.onMessage = () => seen.push(connection.early)
      echo(connection)
    }
    silent = true
    const out = new Promise<Connection>((resolve, reject) => {
      a.transport.dial(b.id, b.address, { early: resolve }).catch(reject)
    })
    expect((await out).sendMessage(Uint8Array.of(1))).to.equal(true)
    const answer = ask(await out, 'and a stream')
    // What is read on the stream shows that the message is there as well.
    while ((inward?.stats().acceptedStreams ?? 0) === 0) await turn()
    expect([inward?.early, seen]).to.deep.equal([true, []])
    silent = false
    expect(await answer).to.equal('and a stream')
    while (seen.length === 0) await turn()
    expect(seen).to.deep.equal([false])
  })
})
