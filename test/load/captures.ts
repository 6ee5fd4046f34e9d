import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { parse } from 'valibot'
import { createKernel, Identity, readChunk } from '#src/kernel/index.js'
import type { Address } from '#src/model/index.js'
import { identity } from '#src/plugins/identity/index.js'
import { quicTransportOptions } from '#src/plugins/quic-transport/options.js'
import { isLongHeader, readLongHeader } from '#src/plugins/quic-transport/packet.js'
import { loadQuiche, type NativeConnection } from '#src/plugins/quic-transport/quiche.js'
import { makeConfig } from '#src/plugins/quic-transport/tls.js'
import { connectedPair, startNode } from '../plugins/quic-transport/nodes.js'
import { tapped } from '../plugins/quic-transport/wraps.js'
import { byKind, type Corpus, type Kind } from './corpus.js'
import { initialParts } from './initial.js'
import { bareSocket } from './sockets.js'

/** Of each kind so many are kept, spread over all there were. */
const KEPT = 6

/** The first datagram of a client that nobody answers. */
export async function firstInitial(): Promise<Uint8Array> {
  const sent: Uint8Array[] = []
  await using client = await startNode({ wrap: tapped({ send: (data) => sent.push(Uint8Array.from(data)) < 0 }) })
  const controller = new AbortController()
  const dial = client.transport.dial(client.id, { host: '127.0.0.1', port: 9 }, { signal: controller.signal })
  while (sent.length === 0) await new Promise((resolve) => setImmediate(resolve))
  controller.abort()
  await dial.catch(() => undefined)
  return sent[0]!
}

/** Takes down datagrams of all kinds, as real nodes send them to each other. */
export async function captureCorpus(): Promise<Corpus> {
  const all = [
    ...(await conversation({})).flatMap(alone),
    ...(await conversation({ retryAboveHandshakes: 0 })),
    await negotiation(),
    ...(await earlyData()),
    // As they may be; nothing of ours sends any yet.
    ...[0x20, 0x2f, 0x3f].map((first) => Buffer.concat([Buffer.of(first), randomBytes(63)]))
  ]
  const spread = (data: readonly Buffer[]): Buffer[] =>
    data.filter((_, i) => i % Math.max(1, Math.floor(data.length / KEPT)) === 0).slice(0, KEPT)
  return byKind((kind) => spread(all.filter((data) => kindOf(data) === kind)))
}

/** A datagram, and what follows the Initial packet in it by itself. */
function alone(data: Buffer): Buffer[] {
  if (kindOf(data) !== 'initial') return [data]
  const rest = data.subarray(initialParts(data).end)
  return rest.some((byte) => byte !== 0) ? [data, rest] : [data]
}

/** By the first packet in it. */
function kindOf(data: Buffer): Kind {
  if (data[0]! < 0x40) return 'probe'
  if (!isLongHeader(data)) return 'short'
  if (readLongHeader(data)!.version === 0) return 'versionNegotiation'
  return (['initial', 'zeroRtt', 'handshake', 'retry'] as const)[(data[0]! >> 4) & 3]!
}

/** All that two nodes send each other: a handshake, a stream each way, and a close. */
async function conversation(quic: object): Promise<Buffer[]> {
  const captured: Buffer[] = []
  const wrap = tapped({ send: (data) => captured.push(Buffer.from(data)) > 0 })
  await using pair = await connectedPair({ quic: { ...quic, maxDatagramBytes: 1_350 }, wrap })
  pair.in.onStream = (stream) => {
    void readChunk(stream).then((chunk) => {
      stream.end(chunk ?? undefined)
    })
  }
  for (let i = 0; i < 4; i++) {
    const stream = await pair.out.open()
    stream.end(randomBytes(500 * i + 1))
    await readChunk(stream)
  }
  pair.out.close()
  await pair.in.closed
  return captured
}

/** What a node answers to a version that it does not know. */
async function negotiation(): Promise<Buffer> {
  await using node = await startNode()
  using socket = await bareSocket()
  const first = Buffer.from(await firstInitial())
  first.writeUInt32BE(0x1a2a3a4a, 1)
  socket.send(first, node.address.port, node.address.host)
  const [answer] = (await once(socket, 'message')) as [Buffer]
  return answer
}

/** What a client sends that has been here before, the data of the first flight included. */
async function earlyData(): Promise<Buffer[]> {
  const kernel = createKernel({ plugins: [identity] })
  await kernel.start()
  const [quiche, certificate] = await Promise.all([loadQuiche(), kernel.resolve(Identity).certificate()])
  await kernel.stop()
  const config = makeConfig(quiche, certificate, parse(quicTransportOptions, {}), 1_200)
  config.enableEarlyData()
  const [here, there] = [1, 2].map((port) => ({ host: '127.0.0.1', port })) as [Address, Address]
  const connect = (): NativeConnection => quiche.Connection.connect(null, randomBytes(20), here, there, config)
  const client = connect()
  const server: NativeConnection = quiche.Connection.accept(randomBytes(20), null, there, here, config)
  for (let turns = 0; turns < 5; turns++) {
    for (const data of flush(client)) server.recv(data, { from: here, to: there })
    for (const data of flush(server)) client.recv(data, { from: there, to: here })
  }
  const again = connect()
  again.setSession(client.session()!)
  const sent = flush(again)
  again.streamSend(0, Buffer.from('said before the handshake'), true)
  return [...sent, ...flush(again)]
}

function flush(native: NativeConnection): Buffer[] {
  const sent: Buffer[] = []
  for (;;) {
    const room = Buffer.alloc(1_200)
    const one = native.send(room)
    if (one === null) return sent
    sent.push(room.subarray(0, one[0]))
  }
}
