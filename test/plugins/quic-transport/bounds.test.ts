import { expect } from 'chai'
import fc from 'fast-check'
import { chunksOf, STREAM_HIGH_WATER_BYTES, type Stream } from '#src/kernel/index.js'
import { QuicStream, type StreamOwner } from '#src/plugins/quic-transport/stream.js'
import { connectedPair } from './nodes.js'

const PIECE_BYTES = 64 * 1024
const STREAMS = 40
const UNREAD_BYTES = 200_000
/** Signs of life after which nothing more is expected of a peer that does not read. */
const PINGS = 20

interface Handed {
  readonly bytes: Uint8Array
  readonly end: boolean
}

/** An owner whose library takes as much at a time as it is told to, and then all. */
function ownerThatTakes(amounts: number[]): { owner: StreamOwner; handed: Handed[] } {
  const handed: Handed[] = []
  const owner = {
    native: {
      streamSend(_: number, data: Uint8Array, end: boolean) {
        const taken = Math.min(data.length, amounts.shift() ?? Infinity)
        if (taken === 0 && data.length > 0) return null
        handed.push({ bytes: Uint8Array.from(data.subarray(0, taken)), end: end && taken === data.length })
        return taken
      }
    },
    failure: undefined,
    awaitSending: () => undefined,
    guard: (callback?: () => void) => callback?.()
  }
  return { owner: owner as unknown as StreamOwner, handed }
}

describe('what a QUIC stream hands to the library', () => {
  it('is all that was written, in whatever pieces, and the end with the last bytes', () => {
    const pieces = fc.array(fc.uint8Array({ minLength: 1, maxLength: 5_000 }), { maxLength: 20 })
    const last = fc.uint8Array({ minLength: 1, maxLength: 5_000 })
    const amounts = fc.array(fc.nat(3_000), { maxLength: 40 })
    fc.assert(
      fc.property(pieces, last, amounts, fc.integer({ min: 1, max: 20_000 }), (pieces, last, amounts, limit) => {
        const { owner, handed } = ownerThatTakes(amounts)
        const stream = new QuicStream(0, owner)
        for (const piece of pieces) stream.write(piece)
        stream.end(last)
        while (!stream.drained) stream.send(limit)
        expect(Buffer.concat(handed.map(({ bytes }) => bytes)).equals(Buffer.concat([...pieces, last]))).to.equal(true)
        expect(handed.map(({ end }) => end).indexOf(true)).to.equal(handed.length - 1)
        expect(handed.at(-1)?.bytes.length).to.be.above(0)
      })
    )
  })
})

describe('writers to a QUIC peer that never reads', () => {
  it('together get rid of what the connection’s window takes, and then wait', async () => {
    const quic = {
      streamWindowBytes: 200_000,
      maxStreamWindowBytes: 200_000,
      connectionWindowBytes: 1_000_000,
      maxConnectionWindowBytes: 1_000_000
    }
    await using pair = await connectedPair({ quic })
    pair.in.onStream = () => undefined
    const chunk = new Uint8Array(PIECE_BYTES)
    let written = 0
    const fill = (stream: Stream): void => {
      do written += chunk.length
      while (stream.write(chunk))
    }
    const streams = await Promise.all(Array.from({ length: STREAMS }, () => pair.out.open()))
    for (const stream of streams) {
      stream.onWritable = () => {
        fill(stream)
      }
      fill(stream)
    }
    for (let before = 0; before < written;) {
      before = written
      for (let pings = 0; pings < PINGS; pings++) await pair.out.ping()
    }
    const most = quic.connectionWindowBytes + STREAMS * (STREAM_HIGH_WATER_BYTES + PIECE_BYTES)
    expect(written).to.be.within(quic.connectionWindowBytes, most)
    // They wait for room, and for nothing else.
    expect(pair.out.closeInfo).to.equal(undefined)
  })
})

describe('QUIC streams that are stopped with much of them unread', () => {
  it('give back their share of the connection’s window', async () => {
    const windows = { connectionWindowBytes: 1_000_000, maxConnectionWindowBytes: 1_000_000 }
    await using pair = await connectedPair({ quic: windows })
    for (let i = 0; i < 20; i++) {
      const taken = new Promise<Stream>((resolve) => (pair.in.onStream = resolve))
      const stream = await pair.out.open()
      stream.end(new Uint8Array(UNREAD_BYTES))
      const incoming = await taken
      for (let pings = 0; pings < PINGS; pings++) await pair.out.ping()
      incoming.stop(1)
      incoming.end()
    }
    const taken = new Promise<Stream>((resolve) => (pair.in.onStream = resolve))
    const stream = await pair.out.open()
    stream.end(new Uint8Array(UNREAD_BYTES))
    let read = 0
    for await (const { length } of chunksOf(await taken)) read += length
    expect(read).to.equal(UNREAD_BYTES)
  })
})
