import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { expect } from 'chai'
import { CloseCode, PeerloomError, systemClock, type Clock, type Connection } from '#src/kernel/index.js'
import { isLongHeader, MIN_INITIAL_BYTES } from '#src/plugins/quic-transport/packet.js'
import { openInitial, protectInitial } from '../../load/initial.js'
import { ask, echo, isResumed, meet, startKnown, textOf } from './meet.js'
import { startNode, type NodeOptions, type TestNode } from './nodes.js'
import { tapped } from './wraps.js'

const EARLY: NodeOptions = { quic: { earlyData: true } }
const INITIAL = 0x00
const ZERO_RTT = 0x10

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}

/** Whether a datagram begins with a packet of that type (RFC 9000 §17.2). */
const begins = (data: Uint8Array, type: number): boolean => isLongHeader(data) && (data[0]! & 0x30) === type

/** Dials and gives the early connection, if there is one, and what becomes of the dial. */
function dialEarly(a: TestNode, b: TestNode): { early: Promise<Connection>; dialled: Promise<Connection> } {
  let dialled!: Promise<Connection>
  const early = new Promise<Connection>((resolve, reject) => {
    dialled = a.transport.dial(b.id, b.address, { early: resolve })
    dialled.then(() => {
      reject(new Error('there was no early connection'))
    }, reject)
  })
  return { early, dialled }
}

/** What comes by early connections, and from whom. */
function takeEarly(node: TestNode): { texts: string[]; connections: Connection[] } {
  const taken = { texts: [] as string[], connections: [] as Connection[] }
  node.transport.onEarly = (connection) => {
    taken.connections.push(connection)
    connection.onStream = (stream) => {
      void textOf(stream).then(
        (text) => {
          taken.texts.push(text)
          stream.end(Buffer.from(text))
        },
        () => undefined
      )
    }
  }
  return taken
}

/** Sends datagrams as they are, from another address. */
async function send(datagrams: readonly Uint8Array[], to: TestNode): Promise<void> {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  for (const data of datagrams) {
    await new Promise((resolve) => socket.send(data, to.address.port, to.address.host, resolve))
  }
  socket.close()
}

describe('early data', () => {
  it('reaches those who take it before the handshake is done, from a peer that is known', async () => {
    let silent = false
    await using a = await startNode(EARLY)
    await using b = await startNode({ ...EARLY, wrap: tapped({ send: () => !silent }) })
    await meet(a, b)
    const { texts, connections } = takeEarly(b)
    // Nothing of the answer arrives, so that the handshake cannot be done on either side.
    silent = true
    const { early, dialled } = dialEarly(a, b)
    const out = await early
    expect([out.early, out.peer, out.direction, out.protocol]).to.deep.equal([true, b.id, 'outbound', 'peerloom/1'])
    const answer = ask(out, 'in the first flight')
    await until(() => texts.length > 0)
    const [inward] = connections as [Connection]
    expect([inward.early, inward.peer, inward.direction]).to.deep.equal([true, a.id, 'inbound'])
    expect(texts).to.deep.equal(['in the first flight'])
    expect(b.inbound).to.have.length(1)
    expect(a.transport.stats()).to.deep.include({ connections: 0, handshakes: 1 })

    const confirmed = Promise.all([out.confirmed(), inward.confirmed()])
    silent = false
    expect(await answer).to.equal('in the first flight')
    expect(await dialled).to.equal(out)
    expect(await confirmed).to.deep.equal([true, true])
    await until(() => b.inbound.length === 2)
    expect(b.inbound[1]).to.equal(inward)
    expect([out.early, inward.early, isResumed(out)]).to.deep.equal([false, false, true])
    expect(await ask(out, 'and after')).to.equal('and after')
    expect(texts).to.deep.equal(['in the first flight', 'and after'])
  })

  for (const [side, here, there] of [
    ['the dialling', {}, EARLY],
    ['the accepting', EARLY, {}]
  ] as const) {
    it(`is not sent unless ${side} side allows it`, async () => {
      await using a = await startNode(here)
      await using b = await startNode(there)
      await meet(a, b)
      const { connections } = takeEarly(b)
      let called = 0
      const out = await a.transport.dial(b.id, b.address, { early: () => called++ })
      expect([called, out.early, isResumed(out)]).to.deep.equal([0, false, true])
      await b.accepted()
      expect(connections).to.deep.equal([])
    })
  }

  it('is not sent unless it is asked for, nor without a ticket', async () => {
    await using a = await startNode(EARLY)
    await using b = await startNode(EARLY)
    const { connections } = takeEarly(b)
    let called = 0
    const first = await a.transport.dial(b.id, b.address, { early: () => called++ })
    const accepted = await b.accepted()
    echo(accepted)
    await ask(first, 'bring me a ticket')
    first.close()
    await accepted.closed
    await a.transport.dial(b.id, b.address)
    await b.accepted()
    expect([called, connections.length]).to.deep.equal([0, 0])
  })

  it('waits for the end of the handshake where nobody takes it earlier', async () => {
    await using a = await startNode(EARLY)
    await using b = await startNode(EARLY)
    await meet(a, b)
    const { early } = dialEarly(a, b)
    const answer = ask(await early, 'patience')
    const inward = await b.accepted()
    expect(inward.early).to.equal(false)
    echo(inward)
    expect(await answer).to.equal('patience')
  })

  it('that a restarted peer refuses comes after the handshake, once', async () => {
    await using a = await startNode(EARLY)
    const before = await startKnown(5, EARLY)
    const { port } = before.address
    await meet(a, before)
    await before.stop()
    await using b = await startKnown(5, { ...EARLY, port })
    const { connections } = takeEarly(b)
    const { early, dialled } = dialEarly(a, b)
    const out = await early
    const answers = Promise.all(['one', 'two', 'three'].map((text) => ask(out, text)))
    const inward = await b.accepted()
    const texts: string[] = []
    inward.onStream = (stream) => {
      void textOf(stream).then((text) => {
        texts.push(text)
        stream.end(Buffer.from(text))
      })
    }
    expect(await answers).to.deep.equal(['one', 'two', 'three'])
    expect(texts.sort()).to.deep.equal(['one', 'three', 'two'])
    expect(await dialled).to.equal(out)
    expect([isResumed(out), out.early, connections.length]).to.deep.equal([false, false, 0])
  })

  it('that is refused keeps nobody waiting for more than the first answer', async () => {
    let answers = Infinity
    // The dialler has no timers meanwhile, to be reminded by.
    const clock: Clock = {
      ...systemClock,
      setTimeout: (callback, ms, options) =>
        answers > 1 ? systemClock.setTimeout(callback, ms, options) : { clear: () => undefined }
    }
    await using a = await startNode({ ...EARLY, clock })
    await using b = await startNode({
      quic: { earlyData: true, ticketKeyMs: 1 },
      wrap: tapped({ send: () => answers-- > 0 })
    })
    await meet(a, b)
    answers = 1
    const { early, dialled } = dialEarly(a, b)
    const out = await early
    expect(await dialled).to.equal(out)
    expect([isResumed(out), out.early]).to.deep.equal([false, false])
    answers = Infinity
  })

  it('that comes before its address is proved is sent again after it', async () => {
    await using a = await startNode(EARLY)
    await using b = await startNode({ quic: { earlyData: true, retryAboveHandshakes: 0 } })
    await meet(a, b)
    takeEarly(b)
    b.transport.onConnection = echo
    const { early } = dialEarly(a, b)
    expect(await ask(await early, 'through a Retry')).to.equal('through a Retry')
  })

  it('that is lost on its way comes later', async () => {
    let lost = 0
    await using a = await startNode({
      ...EARLY,
      wrap: tapped({ send: (data) => !begins(data, ZERO_RTT) || lost++ > 0 })
    })
    await using b = await startNode(EARLY)
    await meet(a, b)
    takeEarly(b)
    const { early } = dialEarly(a, b)
    expect(await ask(await early, 'again')).to.equal('again')
    expect(lost).to.be.greaterThan(0)
  })

  it('of many bytes and streams arrives whole', async function () {
    this.timeout(20_000)
    await using a = await startNode(EARLY)
    await using b = await startNode(EARLY)
    await meet(a, b)
    takeEarly(b)
    const texts = Array.from({ length: 300 }, (_, i) => `${String(i)} `.repeat(2_000))
    const { early } = dialEarly(a, b)
    const out = await early
    expect(await Promise.all(texts.map((text) => ask(out, text)))).to.deep.equal(texts)
  })

  it('ends with its connection when nothing answers', async () => {
    await using a = await startNode({ quic: { earlyData: true, handshakeTimeoutMs: 100 } })
    const b = await startNode(EARLY)
    await meet(a, b)
    await b.stop()
    const { early, dialled } = dialEarly(a, b)
    const out = await early
    const answer = ask(out, 'anyone?').then(
      () => undefined,
      (error: unknown) => error
    )
    const confirmed = out.confirmed()
    const error: unknown = await dialled.then(
      () => undefined,
      (thrown: unknown) => thrown
    )
    expect((error as PeerloomError).code).to.equal('ERR_DIAL')
    expect(((await answer) as PeerloomError).code).to.equal('ERR_CONNECTION_CLOSED')
    expect(await confirmed).to.equal(false)
    expect([out.early, out.closeInfo?.code]).to.deep.equal([true, CloseCode.TIMEOUT])
    expect(a.transport.stats()).to.deep.include({ connections: 0, handshakes: 0 })
  })

  it('ends with its connection when its dial is cancelled', async () => {
    await using a = await startNode(EARLY)
    await using b = await startNode(EARLY)
    await meet(a, b)
    const controller = new AbortController()
    let out: Connection | undefined
    const dialled = a.transport.dial(b.id, b.address, {
      signal: controller.signal,
      early: (connection) => {
        out = connection
        controller.abort()
      }
    })
    const error: unknown = await dialled.then(
      () => undefined,
      (thrown: unknown) => thrown
    )
    expect(error).to.be.instanceOf(PeerloomError)
    expect(out?.closeInfo?.code).to.equal(CloseCode.CANCELLED)
    expect(a.transport.stats()).to.deep.include({ connections: 0, handshakes: 0 })
  })

  describe('that is recorded and sent again', () => {
    /** A flight that has been taken: the datagrams, as they were sent. */
    async function record(a: TestNode, b: TestNode, flight: Uint8Array[]): Promise<Connection> {
      await meet(a, b)
      flight.length = 0
      const out = await dialEarly(a, b).early
      expect(await ask(out, 'once')).to.equal('once')
      return out
    }

    const recorder = (flight: Uint8Array[]): NodeOptions => ({
      ...EARLY,
      wrap: tapped({ send: (data) => flight.push(data.slice()) > 0 })
    })

    it('is not taken again, while its connection lives nor later, and disturbs nothing', async () => {
      const flight: Uint8Array[] = []
      await using a = await startNode(recorder(flight))
      await using b = await startNode(EARLY)
      const { texts, connections } = takeEarly(b)
      await record(a, b, flight)
      const [out] = connections as [Connection]
      await send(flight, b)
      expect(out.closeInfo).to.equal(undefined)
      const again = connections.length
      out.close()
      await until(() => b.transport.stats().connections === 0)
      // Its connection ids are known until the last late packet could have come.
      await until(() => {
        void send(flight, b)
        return (b.transport.stats().dropped['replay'] ?? 0) > 0
      })
      expect([texts, connections.length, again]).to.deep.equal([['once'], 1, 1])
      expect(b.transport.stats().connections).to.equal(0)
    })

    it('is not taken for another flight, whatever is done to the part that can be sealed anew', async () => {
      const flight: Uint8Array[] = []
      await using a = await startNode(recorder(flight))
      await using b = await startNode(EARLY)
      const { texts, connections } = takeEarly(b)
      const out = await record(a, b, flight)
      const initial = flight.find((data) => begins(data, INITIAL))!
      const early = flight.filter((data) => begins(data, ZERO_RTT))
      expect(early).not.to.deep.equal([])
      // Whoever sees an Initial packet can open it, and seal it for another destination id.
      const hello = protectInitial({ ...openInitial(initial), dcid: randomBytes(16) })
      // quiche itself would take the early data from behind the Initial packet of another connection.
      const full = (...packets: Uint8Array[]): Buffer => Buffer.concat([...packets, Buffer.alloc(MIN_INITIAL_BYTES)])
      await send([full(hello, ...early), full(hello), ...early], b)
      await until(() => connections.length === 2)
      await ask(out, 'something else')
      expect(texts).to.deep.equal(['once', 'something else'])
    })
  })
})
