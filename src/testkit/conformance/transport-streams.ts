import assert from 'node:assert/strict'
import {
  readChunk,
  STREAM_HIGH_WATER_BYTES,
  STREAM_OVERFLOW_BYTES,
  webStreams,
  writable,
  writeChunk,
  type Stream
} from '../../kernel/index.js'
import { failsWith } from './fails-with.js'
import {
  closedStream,
  connect,
  echo,
  nextStream,
  openStream,
  pattern,
  readAll,
  type SuiteContext
} from './transport.js'
import { until } from './until.js'

const LARGE_BYTES = 3_000_000
const MANY_STREAMS = 200

/** Streams: data, backpressure, ends and limits. */
export function streamTests({ maxStreams, pairTest, connectedTest }: SuiteContext): void {
  connectedTest('carries bytes both ways, from whichever side opens', async ({ outbound, inbound }) => {
    for (const [near, far] of [
      [outbound, inbound],
      [inbound, outbound]
    ] as const) {
      far.onStream = (stream) => void echo(stream)
      const stream = await near.open()
      assert.equal(stream.connection, near)
      stream.end(Uint8Array.of(1, 2, 3))
      assert.deepEqual([...(await readAll(stream))], [1, 2, 3])
    }
  })

  connectedTest('numbers streams as RFC 9000 does', async ({ outbound, inbound }) => {
    const ids = [await outbound.open(), await outbound.open(), await inbound.open()].map(({ id }) => id)
    assert.deepEqual(ids, [0, 4, 1])
  })

  pairTest('lets the dialler send at once', async (pair) => {
    const accepted = connect(pair)
    const { outbound, inbound } = await accepted
    inbound.onStream = (stream) => void echo(stream)
    const stream = outbound.tryOpen()
    assert.ok(stream)
    stream.end(Uint8Array.of(5))
    assert.deepEqual([...(await readAll(stream))], [5])
  })

  connectedTest('keeps streams that came before their taker', async ({ outbound, inbound }) => {
    const stream = await outbound.open()
    stream.end(Uint8Array.of(9))
    await until(() => inbound.stats().streams > 0)
    const far = await nextStream(inbound)
    assert.equal(far.id, stream.id)
    assert.deepEqual([...(await readAll(far))], [9])
  })

  connectedTest('lets new streams wait while there is no taker', async ({ outbound, inbound }) => {
    const seen: number[] = []
    const take = (stream: Stream): void => {
      seen.push(stream.id)
    }
    inbound.onStream = take
    ;(await outbound.open()).write(Uint8Array.of(1))
    await until(() => seen.length > 0)
    inbound.onStream = undefined
    ;(await outbound.open()).write(Uint8Array.of(2))
    await until(() => inbound.stats().streams >= 2)
    assert.equal(seen.length, 1)
    inbound.onStream = take
    await until(() => seen.length >= 2)
  })

  connectedTest(`carries ${MANY_STREAMS} streams one after another and at once`, async ({ outbound, inbound }) => {
    inbound.onStream = (stream) => void echo(stream)
    const answers = await Promise.all(
      Array.from({ length: MANY_STREAMS }, async (_, i) => {
        const stream = await outbound.open()
        stream.end(Uint8Array.of(i, i >> 8))
        return readAll(stream)
      })
    )
    assert.deepEqual(
      answers.map((answer) => [...answer]),
      Array.from({ length: MANY_STREAMS }, (_, i) => [i & 0xff, i >> 8])
    )
    await until(() => outbound.stats().streams === 0)
  })

  connectedTest('brings large data intact, both ways at once', async ({ outbound, inbound }) => {
    const data = pattern(LARGE_BYTES)
    const check = async (stream: Stream): Promise<void> => {
      const [received] = await Promise.all([readAll(stream), writeSlowly(stream, data)])
      assert.equal(Buffer.compare(received, data), 0)
    }
    const far = nextStream(inbound)
    const near = await outbound.open()
    await Promise.all([check(near), far.then(check)])
  })

  connectedTest('tells a writer to wait, and when to go on', async (pair) => {
    const { near, far } = await openStream(pair)
    const written = 1 + (await fill(near))
    // How soon there is room is the transport's affair: what it has on the way need not wait in the stream.
    const roomAgain = writable(near)
    near.end()
    let read = 0
    for (let part = await readChunk(far); part !== null; part = await readChunk(far)) read += part.length
    await roomAgain
    assert.equal(read, written)
  })

  connectedTest('refuses a writer that never waits', async (pair) => {
    const { near } = await openStream(pair)
    const chunk = new Uint8Array(1024 * 1024)
    assert.throws(() => {
      for (let written = 0; written <= 2 * STREAM_OVERFLOW_BYTES; written += chunk.length) near.write(chunk)
    }, failsWith('ERR_STREAM_OVERFLOW'))
  })

  connectedTest('does not let one stream that nobody reads block another', async (pair) => {
    const { near } = await openStream(pair)
    for (let i = 0; i < 16; i++) near.write(new Uint8Array(64 * 1024))
    pair.inbound.onStream = (stream) => void echo(stream)
    const other = await pair.outbound.open()
    other.end(Uint8Array.of(4))
    assert.deepEqual([...(await readAll(other))], [4])
  })

  connectedTest('ends one side and leaves the other open', async (pair) => {
    const { near, far } = await openStream(pair)
    near.end(Uint8Array.of(2))
    near.end()
    assert.throws(() => near.write(Uint8Array.of(3)), failsWith('ERR_STREAM_CLOSED'))
    assert.deepEqual([...(await readAll(far))], [1, 2])
    assert.equal(far.read(), null)
    assert.equal(near.closed, false)
    far.end(Uint8Array.of(8))
    assert.deepEqual([...(await readAll(near))], [8])
    await Promise.all([closedStream(near), closedStream(far)])
  })

  connectedTest('shows a reset to the reader, with its code', async (pair) => {
    const { near, far } = await openStream(pair)
    await readChunk(far)
    const reading = readChunk(far)
    near.reset(0x1007)
    near.reset(0x1008)
    await assert.rejects(reading, failsWith('ERR_STREAM_RESET', { streamCode: 0x1007 }))
    assert.throws(() => far.read(), failsWith('ERR_STREAM_RESET', { streamCode: 0x1007 }))
    assert.throws(() => near.write(Uint8Array.of(1)), failsWith('ERR_STREAM_CLOSED'))
    // The other direction goes on.
    far.end(Uint8Array.of(6))
    assert.deepEqual([...(await readAll(near))], [6])
  })

  connectedTest('shows a stop to the writer, with its code', async (pair) => {
    const { near, far } = await openStream(pair)
    await fill(near)
    const blocked = writable(near)
    far.stop(0x1009)
    await blocked
    assert.throws(() => near.write(Uint8Array.of(1)), failsWith('ERR_STREAM_RESET', { streamCode: 0x1009 }))
    // The other direction goes on.
    far.end(Uint8Array.of(6))
    assert.deepEqual([...(await readAll(near))], [6])
    await Promise.all([closedStream(near), closedStream(far)])
  })

  connectedTest('shows a stop to a writer that has nothing to write, with its code', async (pair) => {
    for (const ended of [true, false]) {
      const { near, far } = await openStream(pair)
      // One reader has had its end, the other goes on waiting.
      if (ended) {
        near.end(Uint8Array.of(2))
        await readAll(far)
      } else {
        await readChunk(far)
        far.read()
      }
      const told = writable(far)
      near.stop(0x100a)
      await told
      assert.throws(() => far.write(Uint8Array.of(1)), failsWith('ERR_STREAM_RESET', { streamCode: 0x100a }))
      near.reset(1)
      far.stop(1)
      await Promise.all([closedStream(near), closedStream(far)])
    }
  })

  connectedTest('shows a stop to one of many writers that have nothing to write', async (pair) => {
    const far: Stream[] = []
    pair.inbound.onStream = (stream) => void far.push(stream)
    const near = Array.from({ length: maxStreams }, () => pair.outbound.tryOpen() as Stream)
    for (const stream of near) stream.write(Uint8Array.of(1))
    await until(() => far.length === maxStreams)
    for (const [i, { id }] of near.entries()) {
      const other = far.find((stream) => stream.id === id) as Stream
      const told = writable(other)
      near[i]?.stop(0x1100 + i)
      await told
      assert.throws(() => other.write(Uint8Array.of(1)), failsWith('ERR_STREAM_RESET', { streamCode: 0x1100 + i }))
    }
  })

  connectedTest('is closed when both sides gave up, and says so once', async (pair) => {
    const { near, far } = await openStream(pair)
    let calls = 0
    near.onClosed = () => {
      calls++
    }
    near.reset(1)
    near.stop(1)
    await assert.rejects(readAll(far), failsWith('ERR_STREAM_RESET'))
    await closedStream(far)
    await until(() => pair.outbound.stats().streams === 0)
    assert.equal(near.closed, true)
    pair.outbound.close()
    await pair.inbound.closed
    assert.equal(calls, 1)
  })

  connectedTest('waits at the stream limit, and goes on when a stream is over', async ({ outbound, inbound }) => {
    const far: Stream[] = []
    inbound.onStream = (stream) => void far.push(stream)
    const near: Stream[] = []
    for (let stream = outbound.tryOpen(); stream !== undefined; stream = outbound.tryOpen()) near.push(stream)
    assert.equal(near.length, maxStreams)
    let opened = false
    const waiting = outbound.open().then((stream) => {
      opened = true
      return stream
    })
    const controller = new AbortController()
    const cancelled = outbound.open({ signal: controller.signal })
    controller.abort()
    await assert.rejects(cancelled, failsWith('ERR_ABORTED'))
    // All are used, since a transport may allow more only when few are left of those that the peer knows of.
    for (const stream of near) stream.write(Uint8Array.of(1))
    await until(() => far.length === maxStreams)
    assert.equal(opened, false)
    near[0]?.end()
    await echo(far.find(({ id }) => id === near[0]?.id) as Stream)
    await readAll(near[0] as Stream)
    const next = await waiting
    next.end(Uint8Array.of(2))
    await until(() => far.length > maxStreams)
    assert.deepEqual([...(await readAll(far.at(-1) as Stream))], [2])
  })

  connectedTest('rejects those who wait for a stream when the connection ends', async ({ outbound }) => {
    while (outbound.tryOpen() !== undefined);
    const waiting = outbound.open()
    outbound.close()
    await assert.rejects(waiting, failsWith('ERR_CONNECTION_CLOSED'))
  })

  connectedTest('has an urgency of 3 until it is set, and refuses one that is none', async ({ outbound }) => {
    const stream = await outbound.open()
    assert.equal(stream.urgency, 3)
    for (const urgency of [-1, 8, 1.5, Number.NaN]) {
      assert.throws(() => (stream.urgency = urgency), failsWith('ERR_INVALID_INPUT'))
    }
    stream.urgency = 7
    assert.equal(stream.urgency, 7)
  })

  connectedTest('sends the more urgent first, and leaves the others some share', async ({ outbound, inbound }) => {
    const bytes = new Map<number, number>()
    inbound.onStream = (stream) => void count(stream, bytes)
    const bulk = await outbound.open()
    const urgent = await outbound.open()
    void writeSlowly(bulk, new Uint8Array(8 * LARGE_BYTES)).catch(() => undefined)
    const countOf = (stream: Stream): number => bytes.get(stream.id) ?? 0
    await until(() => countOf(bulk) > 0)
    // Told to while it waits with the others.
    bulk.urgency = 7
    urgent.urgency = 0
    const before = countOf(bulk)
    void writeSlowly(urgent, new Uint8Array(LARGE_BYTES))
    await until(() => countOf(urgent) === LARGE_BYTES)
    const meanwhile = countOf(bulk) - before
    assert.ok(meanwhile > 0 && meanwhile < LARGE_BYTES / 2, `${meanwhile} bytes of the other came meanwhile`)
    bulk.reset(1)
  })

  connectedTest('works as WHATWG streams', async ({ outbound, inbound }) => {
    inbound.onStream = (stream) => {
      const { readable, writable: output } = webStreams(stream)
      void readable.pipeTo(output)
    }
    const { readable, writable: input } = webStreams(await outbound.open())
    const data = pattern(700_000)
    const writing = (async () => {
      const writer = input.getWriter()
      for (let at = 0; at < data.length; at += 50_000) await writer.write(data.subarray(at, at + 50_000))
      await writer.close()
    })()
    const parts: Uint8Array[] = []
    for await (const part of readable) parts.push(part)
    await writing
    assert.equal(Buffer.compare(Buffer.concat(parts), data), 0)
  })
}

/** Counts what arrives, by stream. */
async function count(stream: Stream, bytes: Map<number, number>): Promise<void> {
  try {
    for (let part = await readChunk(stream); part !== null; part = await readChunk(stream)) {
      bytes.set(stream.id, (bytes.get(stream.id) ?? 0) + part.length)
    }
  } catch {
    // It was given up.
  }
}

async function writeSlowly(stream: Stream, data: Uint8Array): Promise<void> {
  const step = 100_000
  for (let at = 0; at < data.length - step; at += step) await writeChunk(stream, data.subarray(at, at + step))
  stream.end(data.subarray(data.length - step))
}

/** Writes until the stream says to wait; gives the number of bytes. */
async function fill(stream: Stream): Promise<number> {
  const chunk = new Uint8Array(64 * 1024)
  for (let written = chunk.length; written < 64 * STREAM_HIGH_WATER_BYTES; written += chunk.length) {
    if (!stream.write(chunk)) return written
    await new Promise((resolve) => setImmediate(resolve))
  }
  throw new Error('nothing reads, but every write is taken')
}
