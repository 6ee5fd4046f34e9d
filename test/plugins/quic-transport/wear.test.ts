import { expect } from 'chai'
import { isWorn, WORN_PATHS, WORN_RESETS } from '#src/plugins/quic-transport/wear.js'
import { until } from '#src/testkit/conformance/until.js'
import { connectedPair } from './nodes.js'

const fresh = { pathsLeft: 63, streamsLeft: 1_000, ownStreams: 0, firstStreams: 1_000, resets: WORN_RESETS }

describe('the wear of a connection', () => {
  it('is told by paths that are used up', () => {
    expect(isWorn({ ...fresh, pathsLeft: WORN_PATHS })).to.equal(false)
    expect(isWorn({ ...fresh, pathsLeft: WORN_PATHS - 1 })).to.equal(true)
  })

  it('is told by places for streams that are gone while hardly any are in use', () => {
    expect(isWorn(fresh)).to.equal(false)
    expect(isWorn({ ...fresh, streamsLeft: 250 })).to.equal(false)
    expect(isWorn({ ...fresh, streamsLeft: 249 })).to.equal(true)
    expect(isWorn({ ...fresh, streamsLeft: 100, ownStreams: 125 })).to.equal(true)
  })

  it('is not told while many are in use, whose places are on their way back', () => {
    expect(isWorn({ ...fresh, streamsLeft: 0, ownStreams: 126 })).to.equal(false)
  })

  it('is told by resets, of whichever end, on both', async () => {
    expect(isWorn({ ...fresh, resets: WORN_RESETS + 1 })).to.equal(true)
    await using pair = await connectedPair()
    pair.in.onStream = (stream) => {
      const read = (): void => {
        try {
          while (stream.read() instanceof Uint8Array);
        } catch {
          stream.end()
        }
      }
      stream.onReadable = read
      read()
    }
    for (let i = 0; i <= WORN_RESETS; i++) {
      expect(pair.out.stats().worn).to.equal(false)
      const stream = await pair.out.open()
      stream.write(Buffer.of(i))
      stream.reset(1)
    }
    expect(pair.out.stats().worn).to.equal(true)
    await until(() => pair.in.stats().worn)
  })

  it('is not there after many streams that ended as they should', async () => {
    await using pair = await connectedPair({ quic: { maxStreams: 16 } })
    pair.in.onStream = (stream) => {
      stream.onReadable = () => {
        while (stream.read() instanceof Uint8Array);
        if (stream.read() === null) stream.end()
      }
      stream.onReadable()
    }
    for (let i = 0; i < 100; i++) {
      const stream = await pair.out.open()
      await new Promise<void>((resolve) => {
        stream.onClosed = resolve
        stream.onReadable = () => void stream.read()
        stream.end(Buffer.of(i))
      })
      expect(pair.out.stats().worn).to.equal(false)
    }
  })
})
