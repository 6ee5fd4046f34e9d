import { expect } from 'chai'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { StopProbe } from '#src/plugins/quic-transport/stop-probe.js'

const STREAMS = 1_000

describe('the probe for stops', () => {
  let asked: number[]
  let streams: Map<number, { lookForStop(): void }>
  let probe: StopProbe

  const add = (id: number): void => {
    streams.set(id, { lookForStop: () => asked.push(id) })
  }

  /** How many streams each turn asks, until none is left. */
  function turns(): number[] {
    const counts: number[] = []
    for (let more = true, arrived = true; more; arrived = false) {
      const before = asked.length
      more = probe.run(arrived)
      counts.push(asked.length - before)
    }
    return counts
  }

  beforeEach(() => {
    asked = []
    streams = new Map()
    probe = new StopProbe(streams)
  })

  it('asks nobody while nothing arrives, or while there is no stream', () => {
    expect(probe.run(true)).to.equal(false)
    add(0)
    expect(probe.run(false)).to.equal(false)
    expect(asked).to.deep.equal([])
  })

  it('asks each stream once after something has arrived, some in each turn', () => {
    for (let id = 0; id < STREAMS; id++) add(id)
    for (let i = 1; i <= 3; i++) {
      expect(Math.max(...turns())).to.be.below(STREAMS / 2)
      expect(asked).to.have.length(i * STREAMS)
      expect(new Set(asked.slice(-STREAMS)).size).to.equal(STREAMS)
    }
  })

  it('starves none while something arrives in every turn', () => {
    for (let id = 0; id < STREAMS; id++) add(id)
    for (let turn = 0; turn < 20; turn++) probe.run(true)
    expect(new Set(asked).size).to.equal(STREAMS)
  })

  it('asks those that have come and not those that have gone', () => {
    add(0)
    turns()
    streams.delete(0)
    add(4)
    add(8)
    asked = []
    turns()
    expect(asked.sort((a, b) => a - b)).to.deep.equal([4, 8])
  })
  it('keeps nothing of streams that came and went between turns', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const gone: WeakRef<object>[] = []
    add(-1)
    turns()
    streams.delete(-1)
    for (let batch = 0; batch < STREAMS; batch += 16) {
      for (let id = batch; id < batch + 16; id++) {
        const stream = { lookForStop: () => undefined }
        gone.push(new WeakRef(stream))
        streams.set(id, stream)
      }
      for (let id = batch; id < batch + 16; id++) streams.delete(id)
      probe.run(true)
    }
    // What a WeakRef was made of lives until the end of its turn.
    await new Promise((resolve) => setImmediate(resolve))
    collect()
    // Registers may still hold some of the last batch.
    expect(gone.filter((stream) => stream.deref() !== undefined).length).to.be.at.most(16)
  })
})
