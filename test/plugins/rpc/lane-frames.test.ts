import { expect } from 'chai'
import fc from 'fast-check'
import { Gather, type LaneSink } from '#src/plugins/rpc/gather.js'
import {
  endFrame,
  fitsLane,
  LANE_HEADER_BYTES,
  LaneReader,
  LaneType,
  MAX_LANE_BYTES,
  messageOnLane
} from '#src/plugins/rpc/lane-frames.js'
import { WireError } from '#src/plugins/rpc/wire-error.js'

interface Seen {
  type: number
  call: number
  payload: string
}

function read(chunks: readonly Uint8Array[], enough = Infinity): Seen[] {
  const seen: Seen[] = []
  const reader = new LaneReader({
    frame(type, call, bytes, from, to) {
      seen.push({ type, call, payload: Buffer.from(bytes.subarray(from, to)).toString() })
      return seen.length < enough
    }
  })
  for (const chunk of chunks) reader.push(chunk)
  return seen
}

function cut(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = []
  let at = 0
  for (let i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? bytes.length
    chunks.push(bytes.subarray(at, at + size))
    at += size
  }
  return chunks
}

const call = fc.integer({ min: 0, max: 0xffffffff })
const sizes = fc.array(fc.integer({ min: 1, max: 50 }))

describe('rpc: frames on a lane', () => {
  it('come out as they were gathered, for whom they were meant, however they are cut', async () => {
    const frame = fc.record({
      type: fc.constantFrom(LaneType.MESSAGE, LaneType.BINARY),
      call,
      payload: fc.string({ unit: 'binary', maxLength: 200 }),
      lane: fc.nat(2),
      pause: fc.boolean()
    })
    await fc.assert(
      fc.asyncProperty(fc.array(frame, { maxLength: 30 }), sizes, async (frames, where) => {
        const sent: Uint8Array[][] = [[], [], []]
        const lanes = sent.map((chunks): LaneSink => ({ take: (bytes) => void chunks.push(bytes) }))
        const gather = new Gather()
        for (const { type, call, payload, lane, pause } of frames) {
          gather.add(lanes[lane]!, type, call, payload)
          if (pause) await Promise.resolve()
        }
        gather.flush()
        for (const [lane, chunks] of sent.entries()) {
          const expected = frames.filter((frame) => frame.lane === lane)
          expect(read(cut(Buffer.concat(chunks), where))).to.deep.equal(
            expected.map(({ type, call, payload }) => ({ type, call, payload: Buffer.from(payload).toString() }))
          )
        }
      })
    )
  })

  it('are handed over at once if they are made in one go, and fill the memory they share', async () => {
    const chunks: Uint8Array[] = []
    const lane: LaneSink = { take: (bytes) => void chunks.push(bytes) }
    const gather = new Gather()
    for (let i = 1; i <= 3; i++) gather.add(lane, LaneType.MESSAGE, i, 'x')
    expect(chunks).to.deep.equal([])
    await Promise.resolve()
    expect(chunks).to.have.length(1)
    const long = 'é'.repeat(MAX_LANE_BYTES / 2)
    for (let i = 4; i <= 103; i++) gather.add(lane, LaneType.MESSAGE, i, long)
    gather.flush()
    expect(read(chunks).map(({ call }) => call)).to.deep.equal(Array.from({ length: 103 }, (_, i) => i + 1))
  })

  it('are short: whatever is counted in bytes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1_300, maxLength: 4_200 }), fc.nat(200), (text, more) => {
        expect(fitsLane(text, more)).to.equal(Buffer.byteLength(text) + more <= MAX_LANE_BYTES)
      })
    )
  })

  it('are refused where they mean nothing or are too long, before any payload has come', () => {
    for (const type of [0, 5, 0x81, 255]) {
      expect(() => read([Uint8Array.of(0, 1, type, 0, 0, 0, 1)])).to.throw(WireError)
    }
    const long = messageOnLane(1, '')
    new DataView(long.buffer, long.byteOffset).setUint16(0, MAX_LANE_BYTES + 1)
    expect(() => read([long])).to.throw(WireError)
  })

  it('are read no further than is wanted', () => {
    const wire = Buffer.concat([endFrame(7), Buffer.from('garbage garbage')])
    expect(read([wire], 1)).to.deep.equal([{ type: LaneType.END, call: 7, payload: '' }])
  })

  it('take any bytes, or refuse them with the one error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), sizes, (bytes, where) => {
        try {
          const held = read(cut(bytes, where)).reduce((sum, { payload }) => sum + LANE_HEADER_BYTES + payload.length, 0)
          expect(held).to.be.at.most(3 * bytes.length)
        } catch (error) {
          expect(error).to.be.instanceOf(WireError)
        }
      })
    )
  })
})
