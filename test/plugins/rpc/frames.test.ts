import { expect } from 'chai'
import fc from 'fast-check'
import { ByteBudget } from '#src/plugins/rpc/byte-budget.js'
import {
  FRAME_HEADER_BYTES,
  FrameReader,
  frameHeader,
  FrameType,
  LAST,
  textFrame,
  type Frame
} from '#src/plugins/rpc/frames.js'
import { parseJson } from '#src/plugins/rpc/json.js'
import { WireError } from '#src/plugins/rpc/wire-error.js'

const MAX_BYTES = 1000

function read(chunks: Iterable<Uint8Array>): Frame[] {
  const reader = new FrameReader(MAX_BYTES, new ByteBudget(Infinity))
  const frames: Frame[] = []
  for (const chunk of chunks) {
    reader.push(chunk)
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) frames.push(frame)
  }
  return frames
}

/** Cuts bytes at places that are given as fractions. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const at = [0, ...places.map((place) => Math.floor(place * (bytes.length + 1))), bytes.length].sort((a, b) => a - b)
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end))
}

const places = fc.array(fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), { maxLength: 12 })

describe('rpc: frames', () => {
  it('have a length, a head and a payload', () => {
    expect([...textFrame(FrameType.ITEM, 'é', true)]).to.deep.equal([0, 0, 0, 2, 0x82, 0xc3, 0xa9])
    expect([...frameHeader(FrameType.DATA, 0x01020304, false)]).to.deep.equal([1, 2, 3, 4, 3])
  })

  it('are the same however the stream is cut', () => {
    const texts = fc.array(fc.tuple(fc.constantFrom(FrameType.MESSAGE, FrameType.ITEM), fc.string({ minLength: 1 })), {
      minLength: 1,
      maxLength: 6
    })
    fc.assert(
      fc.property(texts, places, (frames, where) => {
        const wire = Buffer.concat(frames.map(([type, text], i) => textFrame(type, text, i === frames.length - 1)))
        const seen = read(cut(wire, where))
        expect(seen.map(({ type, payload }) => [type, Buffer.from(payload).toString()])).to.deep.equal(
          frames.map(([type, text]) => [type, Buffer.from(text).toString()])
        )
        expect(seen.map(({ last }) => last)).to.deep.equal(frames.map((_, i) => i === frames.length - 1))
      })
    )
  })

  it('pass bytes on as they come, of any length, and end with the last of them', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 5000 }), places, (bytes, where) => {
        const wire = Buffer.concat([frameHeader(FrameType.DATA, bytes.length, true), bytes])
        const seen = read(cut(wire, where))
        expect(Buffer.concat(seen.map(({ payload }) => payload)).equals(bytes)).to.equal(true)
        expect(seen.findIndex(({ last }) => last)).to.equal(seen.length - 1)
      })
    )
  })

  it('are looked at no further than the last', () => {
    const wire = Buffer.concat([textFrame(FrameType.ITEM, '1', true), Buffer.from('garbage')])
    expect(read([wire])).to.have.length(1)
    expect(read([...wire].map((byte) => Uint8Array.of(byte)))).to.have.length(1)
  })

  it('refuse a length beyond the limit before any of it has come', () => {
    for (const type of [FrameType.MESSAGE, FrameType.ITEM]) {
      expect(() => read([frameHeader(type, MAX_BYTES + 1, false)])).to.throw(WireError)
      expect(read([frameHeader(type, MAX_BYTES, false)])).to.deep.equal([])
    }
    expect(() => read([frameHeader(FrameType.ITEM, 0xffffffff, true)])).to.throw(WireError)
  })

  it('refuse heads that mean nothing, and empty frames that end nothing', () => {
    const known: number[] = Object.values(FrameType)
    for (let head = 0; head < 256; head++) {
      const wire = Uint8Array.of(0, 0, 0, 1, head, 0x30)
      if (known.includes(head & ~LAST)) expect(read([wire])).to.have.length(1)
      else expect(() => read([wire])).to.throw(WireError)
    }
    const { MESSAGE, ITEM, DATA, ANSWER } = FrameType
    for (const head of [MESSAGE, ITEM, DATA, ANSWER, MESSAGE | LAST, ANSWER | LAST]) {
      expect(() => read([Uint8Array.of(0, 0, 0, 0, head)])).to.throw(WireError)
    }
  })

  it('take any bytes, or refuse them with the one error, and hold no more than a frame', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), places, (bytes, where) => {
        try {
          const held = read(cut(bytes, where)).reduce((sum, { payload }) => sum + payload.length, 0)
          expect(held).to.be.at.most(Math.max(0, bytes.length - FRAME_HEADER_BYTES))
        } catch (error) {
          expect(error).to.be.instanceOf(WireError)
        }
      })
    )
  })
})

describe('rpc: JSON', () => {
  it('is what JSON.parse takes, within the depth', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
        expect(parseJson(Buffer.from(JSON.stringify(value)), 64)).to.deep.equal(JSON.parse(JSON.stringify(value)))
      })
    )
  })

  it('is refused beyond its depth, whatever texts look like brackets', () => {
    const nested = (depth: number) => Buffer.from('['.repeat(depth) + ']'.repeat(depth))
    expect(parseJson(nested(64), 64)).to.be.an('array')
    for (const depth of [65, 100_000]) expect(() => parseJson(nested(depth), 64)).to.throw(WireError)
    expect(() => parseJson(Buffer.from('{"a":'.repeat(65) + '1' + '}'.repeat(65)), 64)).to.throw(WireError)
    const text = '[{"\\"[{'.repeat(50)
    expect(parseJson(Buffer.from(JSON.stringify([text])), 4)).to.deep.equal([text])
    expect(parseJson(Buffer.from(`[${'[],{},'.repeat(50)}1]`), 2)).to.have.length(101)
  })

  it('is UTF-8', () => {
    for (const bytes of [[0x22, 0xff, 0x22], [0x22, 0xc3, 0x22], []]) {
      expect(() => parseJson(Uint8Array.from(bytes), 64))
        .to.throw(WireError)
        .with.property('rpcCode', -32700)
    }
  })
})
