import { expect } from 'chai'
import { chunksOf, CloseCode, type Stream } from '#src/kernel/index.js'
import { connectedPair } from './nodes.js'
import { seeded, tapped } from './wraps.js'

async function readAll(stream: Stream): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of chunksOf(stream)) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

describe('QUIC over a network that loses datagrams', () => {
  it('completes 500 streams at 5 % loss both ways', async function () {
    this.timeout(30_000)
    const chance = seeded(42)
    let lost = 0
    const lossy = {
      wrap: tapped({
        send: () => {
          const keep = chance() >= 0.05
          if (!keep) lost++
          return keep
        }
      })
    }
    await using pair = await connectedPair(lossy)
    pair.in.onStream = (stream) => {
      void readAll(stream).then((said) => {
        stream.end(Buffer.from(said))
      })
    }
    const waves = 10
    for (let wave = 0; wave < waves; wave++) {
      const answers = await Promise.all(
        Array.from({ length: 50 }, async (_, i) => {
          const stream = await pair.out.open()
          stream.end(Buffer.from(`hello ${i}`))
          return readAll(stream)
        })
      )
      expect(answers).to.deep.equal(Array.from({ length: 50 }, (_, i) => `hello ${i}`))
    }
    expect(lost).to.be.above(0)
  })

  it('repeats a close that was lost', async () => {
    let losing = false
    let lost = 0
    const first = {
      wrap: tapped({
        send: () => {
          if (!losing || lost > 0) return true
          lost++
          return false
        }
      })
    }
    await using pair = await connectedPair(first, {})
    const stream = await pair.in.open()
    // Let acknowledgements that are still due go out first.
    await new Promise((resolve) => setTimeout(resolve, 100))
    losing = true
    pair.out.close(CloseCode.IDLE, 'unused')
    stream.write(Buffer.from('are you there?'))
    expect(await pair.in.closed).to.include({ code: CloseCode.IDLE, by: 'peer' })
    expect(lost).to.equal(1)
  })
})
