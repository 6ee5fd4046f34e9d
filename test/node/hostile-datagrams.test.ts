import { expect } from 'chai'
import { spawn } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { createNode, Contact, unary } from 'peerloom'

const FIXTURE = fileURLToPath(new URL('./fixture.js', import.meta.url))
const RANDOM_DATAGRAMS = 100_000
const BATCH = 250
const SEED = 20_261_122

/** A small generator (mulberry32), so that a failure can be replayed from its seed. */
function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** What a real dialler sends, taken down by a socket that passes it on to the node and the answers back. */
async function captureHandshake(target: Contact): Promise<Buffer[]> {
  const captured: Buffer[] = []
  const tap = createSocket('udp4').bind(0, '127.0.0.1')
  await once(tap, 'listening')
  const { port } = target.addresses[0]!
  let dialler = 0
  tap.on('message', (data, from) => {
    if (from.port === port) tap.send(data, dialler, '127.0.0.1')
    else {
      dialler = from.port
      captured.push(data)
      tap.send(data, port, '127.0.0.1')
    }
  })
  await using node = await createNode({ host: '127.0.0.1' })
  await node.connect(Contact.of(target.id, [{ host: '127.0.0.1', port: tap.address().port }]))
  await node.stop()
  tap.close()
  return captured
}

function* hostile(random: () => number, captured: readonly Buffer[]): Generator<Buffer> {
  const below = (limit: number) => Math.floor(random() * limit)
  // 64 bytes that end a process which uses the QUIC server of @matrixai/quic.
  const killer = Buffer.alloc(64, 7)
  killer.set([0xd0, 0, 0, 0, 1, 20])
  for (let i = 0; i < 50; i++) yield killer
  for (const whole of captured) {
    for (let i = 0; i < 100; i++) yield whole.subarray(0, 1 + below(whole.length))
    for (let i = 0; i < 100; i++) {
      const flipped = Buffer.from(whole)
      const bit = below(flipped.length * 8)
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      yield flipped
    }
  }
  for (let i = 0; i < RANDOM_DATAGRAMS; i++) {
    const bytes = Buffer.allocUnsafe(1 + below(1500))
    for (let at = 0; at < bytes.length; at++) bytes[at] = below(256)
    // One in four claims to be a QUIC packet of our version, with connection ids of proper lengths.
    if (i % 4 === 0 && bytes.length > 50) {
      bytes[0]! |= 0xc0
      bytes.writeUInt32BE(1, 1)
      bytes[5] = 20
      bytes[26] = 20
    }
    yield bytes
  }
}

function send(socket: Socket, data: Buffer, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.send(data, port, '127.0.0.1', (error) => (error === null ? resolve() : reject(error)))
  })
}

describe('a process that runs a node', () => {
  it(`survives ${RANDOM_DATAGRAMS} hostile datagrams and still answers (seed ${SEED})`, async () => {
    const child = spawn(process.execPath, ['--enable-source-maps', FIXTURE], { stdio: ['pipe', 'pipe', 'pipe'] })
    let complaints = ''
    child.stderr.on('data', (chunk: Buffer) => (complaints += chunk.toString()))
    const exited = once(child, 'close')
    const [line] = (await once(child.stdout, 'data')) as [Buffer]
    const contact = Contact.parse(line.toString().trim())
    await using caller = await createNode({ host: '127.0.0.1' })
    const remote = caller.peer(contact).rpc({ square: unary<{ value: number }, { value: number }>() })
    expect(await remote.square({ value: 2 })).to.deep.equal({ value: 4 })

    const { port } = contact.addresses[0]!
    const socket = createSocket('udp4').bind(0, '127.0.0.1')
    await once(socket, 'listening')
    let batch: Promise<void>[] = []
    for (const datagram of hostile(seeded(SEED), await captureHandshake(contact))) {
      batch.push(send(socket, datagram, port))
      if (batch.length < BATCH) continue
      await Promise.all(batch)
      // The node has dealt with what was sent before it answers.
      expect(await remote.square({ value: batch.length })).to.deep.equal({ value: batch.length ** 2 })
      batch = []
    }
    await Promise.all(batch)
    socket.close()

    expect(await remote.square({ value: 3 }), 'on the old connection').to.deep.equal({ value: 9 })
    await using fresh = await createNode({ host: '127.0.0.1' })
    const again = fresh.peer(contact).rpc({ square: unary<{ value: number }, { value: number }>() })
    expect(await again.square({ value: 4 }), 'on a new connection').to.deep.equal({ value: 16 })
    child.stdin.end()
    const [code] = (await exited) as [number | null]
    expect({ code, complaints }).to.deep.equal({ code: 0, complaints: '' })
  }).timeout(60_000)
})
