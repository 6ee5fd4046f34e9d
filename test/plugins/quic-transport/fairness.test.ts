import { expect } from 'chai'
import { CloseCode, readChunk, STREAM_OVERFLOW_BYTES, type Connection, type Stream } from '#src/kernel/index.js'
import { MIN_INITIAL_BYTES } from '#src/plugins/quic-transport/packet.js'
import { connectedPair } from './nodes.js'
import { tapped } from './wraps.js'

const CHUNK = new Uint8Array(64 * 1024)

/** Answers each stream's first chunk with a byte if it is small, and takes in everything else. */
function serve(connection: Connection): { readonly bytes: (id: number) => number } {
  const got = new Map<number, number>()
  connection.onStream = (stream) => {
    const read = (): void => {
      for (let chunk = stream.read(); chunk instanceof Uint8Array; chunk = stream.read()) {
        if (!got.has(stream.id) && chunk.length === 1) stream.end(chunk)
        got.set(stream.id, (got.get(stream.id) ?? 0) + chunk.length)
      }
    }
    stream.onReadable = read
    read()
  }
  return { bytes: (id) => got.get(id) ?? 0 }
}

/** Writes for as long as there is room. */
function pour(stream: Stream): void {
  const pump = (): void => {
    while (!stream.connection.closeInfo && stream.write(CHUNK));
  }
  stream.onWritable = pump
  pump()
}

describe('streams of one QUIC connection', () => {
  it('answer small calls beside a transfer that never ends', async function () {
    this.timeout(20_000)
    await using pair = await connectedPair()
    const served = serve(pair.in)
    const bulk = await pair.out.open()
    pour(bulk)
    const before = served.bytes(bulk.id)
    for (let i = 0; i < 100; i++) {
      const call = await pair.out.open()
      call.end(Uint8Array.of(i))
      expect((await readChunk(call))?.[0]).to.equal(i)
    }
    // The transfer went on meanwhile, but no call waited for much of it.
    const moved = served.bytes(bulk.id) - before
    expect(moved).to.be.within(1, 100 * 32 * 2 ** 20)
    bulk.reset(CloseCode.CANCELLED)
  })

  it('share what there is when all have much to send', async function () {
    this.timeout(20_000)
    await using pair = await connectedPair()
    const served = serve(pair.in)
    const streams = await Promise.all(Array.from({ length: 4 }, () => pair.out.open()))
    for (const stream of streams) pour(stream)
    const counts = (): number[] => streams.map(({ id }) => served.bytes(id))
    while (Math.min(...counts()) < 8 * 2 ** 20) await new Promise((resolve) => setImmediate(resolve))
    expect(Math.max(...counts()) / Math.min(...counts())).to.be.below(2)
    for (const stream of streams) stream.reset(CloseCode.CANCELLED)
  })

  it('bound what waits, however small its pieces', async () => {
    await using pair = await connectedPair()
    const stream = await pair.out.open()
    const piece = Uint8Array.of(1)
    let count = 0
    expect(() => {
      for (; count < STREAM_OVERFLOW_BYTES; count++) stream.write(piece)
    })
      .to.throw()
      .with.property('code', 'ERR_STREAM_OVERFLOW')
    expect(count).to.be.below(1_000_000)
  })
})

describe('the datagrams of a QUIC connection', () => {
  for (const limited of ['dialler', 'acceptor'] as const) {
    it(`are no larger than both sides want, here the ${limited}`, async () => {
      const sizes: number[] = []
      const wrap = tapped({ send: (data) => sizes.push(data.length) > 0 })
      const options = [{ wrap, quic: { maxDatagramBytes: 1_400 } }, { wrap }] as const
      const [a, b] = limited === 'dialler' ? options : [options[1], options[0]]
      await using pair = await connectedPair(a, b)
      serve(pair.in)
      serve(pair.out)
      const streams = await Promise.all([pair.out.open(), pair.in.open()])
      for (const stream of streams) stream.end(CHUNK)
      while (sizes.length < 100) await new Promise((resolve) => setImmediate(resolve))
      expect(Math.max(...sizes)).to.equal(1_400)
    })
  }

  it('are large on loopback, but not those of the handshake', async () => {
    const sizes: number[] = []
    const wrap = tapped({ send: (data) => sizes.push(data.length) > 0 })
    await using pair = await connectedPair({ wrap })
    expect(sizes.slice(0, 3)).to.satisfy((first: number[]) => first.every((size) => size <= 2 * MIN_INITIAL_BYTES))
    serve(pair.in)
    const stream = await pair.out.open()
    pour(stream)
    while (Math.max(...sizes) < 9_000) await new Promise((resolve) => setImmediate(resolve))
    stream.reset(CloseCode.CANCELLED)
  })
})
