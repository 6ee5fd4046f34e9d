import { createHash } from 'node:crypto'
import type { QUICStream } from '@matrixai/quic'
import { expect } from 'chai'
import {
  chunksOf,
  readChunk,
  StreamResetError,
  writable,
  writeChunk,
  type Connection,
  type Stream
} from '#src/kernel/index.js'
import { provenNodeId } from '#src/plugins/quic-transport/tls.js'
import { dialThem, dialUs, PROTOCOL, type Meeting } from './meetings.js'
import { nextStockStream } from './stock.js'

/** No multiple of any piece in which it travels. */
const BYTES = 300_007
const PIECE_BYTES = 30_000
const bytes = Buffer.from(Uint8Array.from({ length: BYTES }, (_, i) => (i * 31 + (i >> 8) * 17) & 0xff))

async function failure(work: () => unknown): Promise<unknown> {
  try {
    await work()
  } catch (error) {
    return error
  }
  throw new Error('it did not fail')
}

const nextStream = (connection: Connection): Promise<Stream> =>
  new Promise((resolve) => (connection.onStream = resolve))

const closed = (stream: Stream): Promise<void> =>
  new Promise((resolve) => {
    if (stream.closed) resolve()
    else stream.onClosed = resolve
  })

/** Everything in both directions at once, up to both ends, checked by both sides. */
async function exchange(ofUs: Stream | Promise<Stream>, ofThem: QUICStream | Promise<QUICStream>): Promise<void> {
  const write = async (): Promise<void> => {
    const near = await ofUs
    let at = 0
    for (; at < BYTES - PIECE_BYTES; at += PIECE_BYTES) await writeChunk(near, bytes.subarray(at, at + PIECE_BYTES))
    near.end(bytes.subarray(at))
  }
  const writeFar = async (): Promise<void> => {
    const far = await ofThem
    const writer = far.writable.getWriter()
    for (let at = 0; at < BYTES; at += PIECE_BYTES) await writer.write(bytes.subarray(at, at + PIECE_BYTES))
    await writer.close()
  }
  const writing = Promise.all([write(), writeFar()])
  const [near, far] = await Promise.all([ofUs, ofThem])
  const received = await Promise.all([digest(chunksOf(near)), digest(far.readable)])
  await Promise.all([writing, closed(near), far.closedP])
  const sent = await digest([bytes])
  expect(received).to.deep.equal([sent, sent])
}

async function digest(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of chunks) hash.update(chunk)
  return hash.digest('hex')
}

/** The same stream as our side and theirs have it, opened by us, with a byte in each direction. */
async function openStream(meeting: Meeting): Promise<{ near: Stream; far: QUICStream }> {
  const arrived = nextStockStream(meeting.theirs)
  const near = await meeting.ours.open()
  near.write(Uint8Array.of(1))
  return { near, far: await arrived }
}

for (const [role, meet] of [
  ['a client of its QUICServer', dialThem],
  ['a server of its QUICClient', dialUs]
] as const) {
  describe(`with @matrixai/quic, as ${role}`, function () {
    this.timeout(20_000)

    it('both sides prove their keys and agree on a protocol', async () => {
      await using meeting = await meet()
      expect(meeting.ours.peer).to.equal(meeting.theirId)
      expect(provenNodeId(meeting.theirs.getRemoteCertsChain())).to.equal(meeting.node.id)
      expect(meeting.ours.protocol).to.equal(PROTOCOL)
    })

    it('streams that either side opens carry many bytes in both directions, and both ends', async () => {
      await using meeting = await meet()
      // A stream is known to the other side from its first bytes on.
      const near = await meeting.ours.open()
      const far = meeting.theirs.newStream('bidi')
      const [taken, takenThere] = [nextStream(meeting.ours), nextStockStream(meeting.theirs)]
      await Promise.all([exchange(near, takenThere), exchange(taken, far)])
      expect(meeting.ours.stats().streams).to.equal(0)
    })

    it('resets and stops of ours are told with their codes', async () => {
      await using meeting = await meet()
      const { near, far } = await openStream(meeting)
      const reader = far.readable.getReader()
      expect((await reader.read()).value?.[0]).to.equal(1)
      near.reset(77)
      expect(await failure(() => reader.read())).to.equal(77)
      near.stop(55)
      const writer = far.writable.getWriter()
      expect(await failure(() => writer.closed)).to.equal(55)
      await Promise.all([closed(near), far.closedP])
    })

    it('resets and stops of theirs are told with their codes', async () => {
      await using meeting = await meet()
      const { near, far } = await openStream(meeting)
      await far.writable.abort(66)
      expect(await failure(() => readChunk(near)))
        .to.be.instanceOf(StreamResetError)
        .with.property('streamCode', 66)
      while (near.write(bytes));
      const told = writable(near)
      await far.readable.cancel(44)
      await told
      expect(await failure(() => near.write(bytes)))
        .to.be.instanceOf(StreamResetError)
        .with.property('streamCode', 44)
      await Promise.all([closed(near), far.closedP])
    })

    it('our close is seen with code and reason', async () => {
      await using meeting = await meet()
      meeting.ours.close(0x1234, 'enough')
      await meeting.theirs.closedP
      const { isApp, errorCode, reason } = meeting.theirs.getConnectionError()!
      expect([isApp, errorCode, Buffer.from(reason).toString()]).to.deep.equal([true, 0x1234, 'enough'])
    })

    it('their close is seen with code and reason', async () => {
      await using meeting = await meet()
      const stopped = meeting.theirs.stop({ errorCode: 0x2345, reason: Buffer.from('so long') })
      expect(await meeting.ours.closed).to.deep.equal({
        code: 0x2345,
        reason: 'so long',
        by: 'peer',
        transport: false
      })
      await stopped
    })
  })
}
