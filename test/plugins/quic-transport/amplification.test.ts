import type { Socket } from 'node:dgram'
import { expect } from 'chai'
import { Address } from '#src/model/index.js'
import { readLongHeader, versionNegotiation } from '#src/plugins/quic-transport/packet.js'
import { firstInitial } from '../../load/captures.js'
import { Clients, openInitial } from '../../load/initial.js'
import { bareSocket } from '../../load/sockets.js'
import { startNode, type TestNode } from './nodes.js'
import { seeded, tapped } from './wraps.js'

/** RFC 9000 §8.1. */
const LIMIT = 3

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}

/** What went to each address and what had come from it; `worst` is the largest ratio there ever was. */
class Ledger {
  readonly #came = new Map<string, number>()
  readonly #went = new Map<string, number>()
  received = 0
  worst = 0

  readonly taps = tapped({
    receive: (data, from) => {
      const key = Address.format(from)
      this.#came.set(key, (this.#came.get(key) ?? 0) + data.length)
      this.received++
      return true
    },
    send: (data, to) => {
      const key = Address.format(to)
      const went = (this.#went.get(key) ?? 0) + data.length
      this.#went.set(key, went)
      this.worst = Math.max(this.worst, went / (this.#came.get(key) ?? 0))
      return true
    }
  })

  get answered(): number {
    return this.#went.size
  }
}

/** First datagrams of many kinds: what a client sends that never answers, in the order in which it sends it. */
async function conversations(): Promise<Map<string, Uint8Array[]>> {
  const random = seeded(17)
  const bytes = (count: number): Buffer => Buffer.from(Array.from({ length: count }, () => Math.floor(random() * 256)))
  const genuine = await firstInitial()
  const clients = new Clients(genuine)
  const hello = Buffer.from(openInitial(genuine).payload)
  const next = (changes: Parameters<Clients['next']>[1] = {}): Buffer => clients.next(bytes, changes)
  const altered = (change: (data: Buffer) => void): Buffer => {
    const data = Buffer.from(next())
    change(data)
    return data
  }
  const ofVersion = (version: number, ids: number): Buffer => {
    const data = Buffer.alloc(1_200)
    data[0] = 0xc0
    data.writeUInt32BE(version, 1)
    data[5] = ids
    data[6 + ids] = ids
    return data
  }
  const brokenHello = Buffer.from(hello)
  brokenHello.fill(0xff, 50, 120)
  const id = bytes(16)
  const close = Buffer.from([0x1c, 0, 0, 0])
  const first = next()
  return new Map([
    ['a handshake', [next()]],
    ['a handshake, again and again', [first, first, first, first]],
    [
      'a handshake and pings',
      [next({ dcid: id }), ...[1, 2, 3].map((n) => next({ dcid: id, number: n, payload: Buffer.of(1) }))]
    ],
    ['pings only', [next({ payload: Buffer.of(1) })]],
    ['a close', [next({ payload: close })]],
    ['a handshake that TLS refuses', [next({ payload: brokenHello })]],
    [
      'a handshake without our protocol',
      [next({ payload: Buffer.from(hello.toString('latin1').replace('peerloom/1', 'somebody/1'), 'latin1') })]
    ],
    ['half a ClientHello', [next({ payload: Buffer.concat([Buffer.of(6, 0, 0x40, 60), hello.subarray(4, 64)]) })]],
    ['frames that are none', [next({ payload: Buffer.of(0xff, 0xff, 0xff, 0xff) })]],
    ['a packet without its keys', [altered((data) => data.fill(7, 100))]],
    ['a token', [next({ token: bytes(42) })]],
    ['a token as long as can be', [next({ token: bytes(900) })]],
    ['a small one', [next().subarray(0, 1_199)]],
    ['one byte', [Buffer.of(0xc0)]],
    ['ids of no bytes', [next({ scid: Buffer.alloc(0) })]],
    ['an unknown version', [ofVersion(0x6b3343cf, 20)]],
    ['an unknown version with the longest ids', [ofVersion(0x0a0a0a0a, 255)]],
    ['an unknown version, small', [ofVersion(0x0a0a0a0a, 8).subarray(0, 100)]],
    ['a version negotiation', [versionNegotiation(readLongHeader(next())!)]],
    ['a Handshake packet', [altered((data) => (data[0] = 0xe0))]],
    ['a 0-RTT packet', [altered((data) => (data[0] = 0xd0))]],
    ['a Retry packet', [altered((data) => (data[0] = 0xf0))]],
    ['a short header', [altered((data) => (data[0] = 0x40))]],
    [
      'a handshake and 0-RTT, and short headers',
      [
        next({ dcid: id, scid: bytes(20) }),
        altered((data) => data.set([0xd0, 0, 0, 0, 1, 16, ...id])),
        Buffer.concat([Buffer.of(0x40), bytes(30)])
      ]
    ]
  ])
}

/** Plays all conversations, each from an address of its own, and answers nothing but, if it is to, with noise. */
async function play(node: TestNode, ledger: Ledger, noise: boolean): Promise<void> {
  const sockets: (Socket & Disposable)[] = []
  let sent = 0
  try {
    for (const datagrams of (await conversations()).values()) {
      const socket = await bareSocket()
      sockets.push(socket)
      const say = (data: Uint8Array): void => {
        sent++
        socket.send(data, node.address.port, node.address.host)
      }
      let left = noise ? 20 : 0
      socket.on('message', (data) => {
        if (left-- <= 0) return
        // To where the node wants its packets: too small to be read, and too small to earn much.
        const { scid } = readLongHeader(data) ?? { scid: Buffer.alloc(0) }
        say(Buffer.concat([Buffer.of(0x40), scid, Buffer.alloc(4)]))
        say(Buffer.concat([Buffer.of(0xe0, 0, 0, 0, 1, scid.length), scid, Buffer.alloc(2)]))
      })
      datagrams.forEach(say)
      // Each in turns of its own, since only so many Retry packets are sent in one.
      await until(() => ledger.received >= sent)
    }
    await until(() => node.transport.stats().handshakes === 0)
  } finally {
    for (const socket of sockets) socket.close()
  }
}

describe('to an address that has proved nothing', function () {
  this.timeout(20_000)

  for (const [what, quic] of [
    ['below the threshold for Retry', {}],
    ['above it', { retryAboveHandshakes: 0 }]
  ] as const) {
    for (const noise of [false, true]) {
      it(`no more goes than three times what came, ${what}${noise ? ', though it answers with noise' : ''}`, async () => {
        const ledger = new Ledger()
        // Long enough for probes of lost packets, which follow each other ever more slowly from 1 s on.
        await using node = await startNode({ quic: { ...quic, handshakeTimeoutMs: 2_500 }, wrap: ledger.taps })
        await play(node, ledger, noise)
        expect(ledger.answered).to.be.at.least(9)
        expect(ledger.worst).to.be.within(0.01, LIMIT)
        expect(node.transport.stats().dropped['internal error']).to.equal(undefined)
        expect(node.inbound).to.deep.equal([])
      })
    }
  }

  it('no more goes than three times what came, when a connection is closed and its close repeated', async () => {
    let closed = false
    let [came, went, worst] = [0, 0, 0]
    await using node = await startNode({
      wrap: tapped({
        receive: (data) => {
          if (closed) came += data.length
          return true
        },
        send: (data) => {
          if (!closed || came === 0) return true
          went += data.length
          worst = Math.max(worst, went / came)
          return true
        }
      })
    })
    const lost = { close: false }
    await using peer = await startNode({ wrap: tapped({ receive: () => !lost.close }) })
    const [out, inward] = await Promise.all([peer.transport.dial(node.id, node.address), node.accepted()])
    const stream = await out.open()
    lost.close = true
    closed = true
    inward.close(7, 'x'.repeat(500))
    for (let i = 0; i < 64; i++) {
      const before = came
      stream.write(Buffer.of(i))
      await until(() => came > before)
    }
    expect(worst).to.be.within(0.01, LIMIT)
  })
})
