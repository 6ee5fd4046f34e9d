import { expect } from 'chai'
import { chunksOf, CloseCode, type Stream } from '#src/kernel/index.js'
import { connectedPair } from './nodes.js'
import { seeded, tapped } from './wraps.js'

async function readAll(stream: Stream): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of chunksOf(stream)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

const STREAMS = 10_000
/** Every so many streams one carries more than fits into a packet, and some more of them more than into a turn. */
const LONG_EVERY = 10
const LONG_BYTES = 5_000
const LONGER_EVERY = 500
const LONGER_BYTES = 100_000

function request(i: number): Buffer {
  const bytes = i % LONGER_EVERY === 0 ? LONGER_BYTES : i % LONG_EVERY === 0 ? LONG_BYTES : 0
  return Buffer.concat([Buffer.from(`stream ${i}`), Buffer.alloc(bytes, i)])
}

describe('QUIC over a network that loses datagrams', () => {
  it(`completes ${STREAMS} streams at 5 % loss both ways, with all their bytes`, async function () {
    this.timeout(120_000)
    const chance = seeded(42)
    const counts = { sent: 0, lost: 0 }
    const lossy = {
      wrap: tapped({
        send: () => {
          counts.sent++
          const keep = chance() >= 0.05
          if (!keep) counts.lost++
          return keep
        }
      })
    }
    await using pair = await connectedPair(lossy)
    pair.in.onStream = (stream) => {
      void readAll(stream).then((said) => {
        stream.end(said)
      })
    }
    const wrong = await Promise.all(
      Array.from({ length: STREAMS }, async (_, i) => {
        const stream = await pair.out.open()
        stream.end(request(i))
        return (await readAll(stream)).equals(request(i)) ? [] : [i]
      })
    )
    expect(wrong.flat()).to.deep.equal([])
    expect(counts.lost / counts.sent).to.be.within(0.03, 0.07)
    expect(pair.out.stats()).to.include({ openedStreams: STREAMS, streams: 0 })
  })

  it('repeats a close that was lost', async () => {
    let losing = false
    let lost = 0
    const first = {
      wrap: tapped({
        send: () => {
          if (losing) lost++
          return !losing
        }
      })
    }
    await using pair = await connectedPair(first, {})
    const stream = await pair.in.open()
    // The close is sent at once, and nothing after it that is not asked for.
    losing = true
    pair.out.close(CloseCode.IDLE, 'unused')
    losing = false
    expect(lost).to.be.above(0)
    stream.write(Buffer.from('are you there?'))
    expect(await pair.in.closed).to.include({ code: CloseCode.IDLE, by: 'peer' })
  })
})
