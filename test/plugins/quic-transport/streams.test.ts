import { createHash, randomBytes } from 'node:crypto'
import { expect } from 'chai'
import {
  chunksOf,
  PeerloomError,
  readChunk,
  STREAM_HIGH_WATER_BYTES,
  STREAM_OVERFLOW_BYTES,
  StreamResetError,
  writable,
  writeChunk,
  type Connection,
  type Stream
} from '#src/kernel/index.js'
import type { QuicConnection } from '#src/plugins/quic-transport/connection.js'
import { until } from '#src/testkit/conformance/until.js'
import { connectedPair } from './nodes.js'

/** Signs of life after which nothing more is expected of a peer that does not read. */
const PINGS = 20

/** Sends back whatever comes. */
function echo(connection: Connection): void {
  connection.onStream = (stream) => {
    void (async () => {
      for await (const chunk of chunksOf(stream)) await writeChunk(stream, chunk)
      stream.end()
    })().catch(() => undefined)
  }
}

async function readAll(stream: Stream): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of chunksOf(stream)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

const nextStream = (connection: Connection): Promise<Stream> =>
  new Promise((resolve) => {
    connection.onStream = (stream) => {
      connection.onStream = undefined
      resolve(stream)
    }
  })

async function failure(work: () => unknown): Promise<PeerloomError> {
  try {
    await work()
  } catch (error) {
    expect(error).to.be.instanceOf(PeerloomError)
    return error as PeerloomError
  }
  throw new Error('it did not fail')
}

/** Reads until there is an end of whatever kind. */
function drain(stream: Stream): void {
  void readAll(stream).catch(() => undefined)
}

/** Writes until it fails. */
function pour(stream: Stream): void {
  const pump = (): void => {
    try {
      stream.write(text('more'))
      setImmediate(pump)
    } catch {
      // The other side has stopped it.
    }
  }
  pump()
}

/** Whether a writer that waits is asked for more in the time in which everything under way arrives and is answered. */
function askedForMore(stream: Stream, connection: Connection): Promise<boolean> {
  return Promise.race([writable(stream).then(() => true), signsOfLife(connection).then(() => false)])
}

/** Waits until what was sent has been acknowledged. */
async function signsOfLife(connection: Connection): Promise<void> {
  for (let pings = 0; pings < PINGS; pings++) await connection.ping()
}

const text = (content: string): Uint8Array => Buffer.from(content)

describe('streams over QUIC', () => {
  it('echo in both directions', async () => {
    await using pair = await connectedPair()
    echo(pair.in)
    echo(pair.out)
    for (const connection of [pair.out, pair.in]) {
      const stream = await connection.open()
      stream.end(text('hello'))
      expect((await readAll(stream)).toString()).to.equal('hello')
    }
  })

  it('carry 64 MB unchanged', async function () {
    this.timeout(60_000)
    await using pair = await connectedPair()
    const total = 64 * 1024 * 1024
    const chunk = randomBytes(256 * 1024)
    const sent = createHash('sha256')
    const received = createHash('sha256')
    const [stream] = await Promise.all([pair.out.open()])
    const taken = nextStream(pair.in)
    const reading = taken.then(async (incoming) => {
      let bytes = 0
      for await (const piece of chunksOf(incoming)) {
        received.update(piece)
        bytes += piece.length
      }
      return bytes
    })
    for (let bytes = 0; bytes < total; bytes += chunk.length) {
      sent.update(chunk)
      if (bytes + chunk.length >= total) stream.end(chunk)
      else await writeChunk(stream, chunk)
    }
    expect(await reading).to.equal(total)
    expect(received.digest('hex')).to.equal(sent.digest('hex'))
  })

  it('stop a writer whose reader does not read, and let it go on', async () => {
    await using pair = await connectedPair({ quic: { streamWindowBytes: 100_000, connectionWindowBytes: 200_000 } })
    const stream = await pair.out.open()
    const incoming = nextStream(pair.in)
    const chunk = new Uint8Array(50_000)
    let written = 0
    for (let asked = true; asked; asked = await askedForMore(stream, pair.out)) {
      do written += chunk.length
      while (stream.write(chunk))
      expect(written).to.be.below(4 * STREAM_HIGH_WATER_BYTES)
    }
    stream.end()
    const received = await readAll(await incoming)
    expect(received.length).to.equal(written)
  })

  it('refuse a writer that does not wait', async () => {
    await using pair = await connectedPair()
    const stream = await pair.out.open()
    const chunk = new Uint8Array(STREAM_OVERFLOW_BYTES / 16)
    const error = await failure(() => {
      for (let i = 0; i < 20; i++) stream.write(chunk)
    })
    expect(error.code).to.equal('ERR_STREAM_OVERFLOW')
  })

  it('come to 1,000 with a limit of 100 at a time', async function () {
    this.timeout(20_000)
    await using pair = await connectedPair({ quic: { maxStreams: 100 } })
    let open = 0
    let most = 0
    pair.in.onStream = (stream) => {
      most = Math.max(most, ++open)
      void readAll(stream).then((bytes) => {
        stream.end(bytes)
        open--
      })
    }
    const answers = await Promise.all(
      Array.from({ length: 1_000 }, async (_, i) => {
        const stream = await pair.out.open()
        stream.end(text(String(i)))
        return (await readAll(stream)).toString()
      })
    )
    expect(answers).to.deep.equal(Array.from({ length: 1_000 }, (_, i) => String(i)))
    expect(most).to.be.within(2, 100)
    expect(pair.out.stats().streams).to.equal(0)
  })

  it('give up waiting for a stream when told to, or when the connection ends', async () => {
    await using pair = await connectedPair({ quic: { maxStreams: 1 } })
    expect(pair.out.tryOpen()).not.to.equal(undefined)
    expect(pair.out.tryOpen()).to.equal(undefined)
    const controller = new AbortController()
    const aborted = failure(() => pair.out.open({ signal: controller.signal }))
    const orphaned = failure(() => pair.out.open())
    controller.abort()
    expect((await aborted).code).to.equal('ERR_ABORTED')
    pair.out.close()
    expect((await orphaned).code).to.equal('ERR_CONNECTION_CLOSED')
  })

  it('carry the codes of reset and stop to the other side', async () => {
    await using pair = await connectedPair()
    const stream = await pair.out.open()
    stream.write(text('x'))
    const incoming = await nextStream(pair.in)
    expect(Buffer.from((await readChunk(incoming))!).toString()).to.equal('x')
    const reading = failure(() => readChunk(incoming))
    stream.reset(77)
    expect(await reading)
      .to.be.instanceOf(StreamResetError)
      .with.property('streamCode', 77)

    stream.stop(55)
    const writing = await failure(async () => {
      for (;;) {
        incoming.write(text('y'))
        await new Promise((resolve) => setImmediate(resolve))
      }
    })
    expect(writing).to.be.instanceOf(StreamResetError).with.property('streamCode', 55)
    expect(stream.closed && incoming.closed).to.equal(true)
  })

  it('reset before the first byte is seen too', async () => {
    await using pair = await connectedPair()
    const stream = await pair.out.open()
    stream.reset(9)
    const error = await failure(async () => readAll(await nextStream(pair.in)))
    expect(error).to.be.instanceOf(StreamResetError).with.property('streamCode', 9)
  })

  const ways: Record<string, { opener: (stream: Stream) => void; taker: (stream: Stream) => void }> = {
    'the opener resets at once': {
      opener: (stream) => {
        stream.reset(1)
      },
      taker: (stream) => {
        drain(stream)
        stream.end()
      }
    },
    'the opener resets after data': {
      opener: (stream) => {
        stream.write(text('x'))
        setImmediate(() => {
          stream.reset(1)
        })
      },
      taker: (stream) => {
        drain(stream)
        stream.end(text('y'))
      }
    },
    'the opener resets and stops': {
      opener: (stream) => {
        stream.write(text('x'))
        setImmediate(() => {
          stream.reset(1)
          stream.stop(2)
        })
      },
      taker: (stream) => {
        drain(stream)
        pour(stream)
      }
    },
    'the taker stops and ends': {
      opener: (stream) => {
        pour(stream)
      },
      taker: (stream) => {
        stream.stop(3)
        stream.end(text('y'))
      }
    },
    'the taker stops and resets': {
      opener: (stream) => {
        pour(stream)
      },
      taker: (stream) => {
        stream.stop(3)
        stream.reset(4)
      }
    },
    'the taker ends, and stops when that is known': {
      opener: (stream) => {
        pour(stream)
      },
      taker: (stream) => {
        stream.read()
        stream.end(text('y'))
        void signsOfLife(stream.connection).then(() => {
          stream.stop(3)
        })
      }
    },
    'the taker stops what has ended': {
      opener: (stream) => {
        stream.end(text('x'))
      },
      taker: (stream) => {
        stream.stop(3)
        stream.end()
      }
    }
  }
  for (const [way, { opener, taker }] of Object.entries(ways)) {
    it(`give their place back when ${way}`, async () => {
      await using pair = await connectedPair({ quic: { maxStreams: 2 } })
      pair.in.onStream = taker
      const closed: Promise<void>[] = []
      for (let i = 0; i < 10; i++) {
        const stream = await pair.out.open()
        closed.push(new Promise((resolve) => (stream.onClosed = resolve)))
        opener(stream)
        drain(stream)
      }
      await Promise.all(closed)
    })
  }

  it('leave nothing in the library when the opener ends, and stops when that is known', async () => {
    await using pair = await connectedPair()
    pair.in.onStream = pour
    const { native } = pair.out as unknown as Pick<QuicConnection, 'native'>
    const isHeld = (id: number): boolean => {
      try {
        return native.streamCapacity(id) >= 0
      } catch {
        return false
      }
    }
    const streams = await Promise.all(Array.from({ length: 100 }, () => pair.out.open()))
    for (const stream of streams) stream.end(text('x'))
    await signsOfLife(pair.out)
    for (const stream of streams) stream.stop(3)
    await until(() => !streams.some(({ id }) => isHeld(id)))
  })

  it('send the end with the last bytes', async () => {
    await using pair = await connectedPair()
    const stream = await pair.out.open()
    stream.write(text('a'))
    stream.write(text('b'))
    stream.end(text('c'))
    const incoming = await nextStream(pair.in)
    // The end is there together with the bytes: no second wait.
    expect(Buffer.from((await readChunk(incoming))!).toString()).to.equal('abc')
    expect(incoming.read()).to.equal(null)
    expect((await failure(() => stream.write(text('d')))).code).to.equal('ERR_STREAM_CLOSED')
    stream.end(text('ignored'))
  })

  it('say once that they are closed', async () => {
    await using pair = await connectedPair()
    echo(pair.in)
    const stream = await pair.out.open()
    let closings = 0
    const closed = new Promise<void>((resolve) => {
      stream.onClosed = () => {
        closings++
        resolve()
      }
    })
    stream.end(text('x'))
    await readAll(stream)
    await closed
    expect(stream.closed).to.equal(true)
    pair.out.close()
    expect(closings).to.equal(1)
  })

  it('wait for a handler, and survive one that throws', async () => {
    await using pair = await connectedPair()
    const first = await pair.out.open()
    first.end(text('1'))
    const second = await pair.out.open()
    second.end(text('2'))
    const third = await pair.out.open()
    third.end(text('3'))
    const seen: string[] = []
    await new Promise<void>((resolve) => {
      pair.in.onStream = (stream) => {
        void readAll(stream).then((bytes) => {
          seen.push(bytes.toString())
          if (seen.length === 3) resolve()
        })
        throw new Error('a broken handler')
      }
    })
    expect(seen.sort()).to.deep.equal(['1', '2', '3'])
  })
})
