import { expect } from 'chai'
import fc from 'fast-check'
import { RpcCode } from '#src/kernel/index.js'
import { ByteBudget } from '#src/plugins/rpc/byte-budget.js'
import { FrameType, type Frame } from '#src/plugins/rpc/frames.js'
import { JsonReader } from '#src/plugins/rpc/json-reader.js'
import { WireError } from '#src/plugins/rpc/wire-error.js'

const MAX_BYTES = 1000
const MAX_DEPTH = 10
/** What any piece counts for beside its bytes, and more. */
const PIECE_BYTES = 200

function read(chunks: Iterable<Uint8Array>, budget = new ByteBudget(Infinity), afterFirst?: 'bytes'): Frame[] {
  const reader = new JsonReader(MAX_BYTES, MAX_DEPTH, budget)
  const frames: Frame[] = []
  const take = (): void => {
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
      frames.push(frame)
      if (afterFirst === 'bytes') reader.passBytes()
    }
  }
  for (const chunk of chunks) {
    reader.push(chunk)
    take()
  }
  reader.end()
  take()
  expect(reader.ended).to.equal(true)
  return frames
}

/** Cuts bytes at places that are given as fractions. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const at = [0, ...places.map((place) => Math.floor(place * (bytes.length + 1))), bytes.length].sort((a, b) => a - b)
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end))
}

function thrown(work: () => unknown): unknown {
  try {
    work()
  } catch (error) {
    return error
  }
  return undefined
}

const places = fc.array(fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), { maxLength: 12 })
const object = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 4 }).map((o) => JSON.stringify(o))
const short = object.filter((text) => Buffer.byteLength(text) <= MAX_BYTES)
const blanks = fc.string({ unit: fc.constantFrom(' ', '\n', '\r', '\t'), maxLength: 3 })

describe('rpc: JSON objects without frames', () => {
  it('are the same however the stream is cut, whatever is in them and whatever blanks are between them', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(short, blanks), { maxLength: 6 }), places, (objects, where) => {
        const budget = new ByteBudget(Infinity)
        const seen = read(cut(Buffer.from(objects.flat().join('')), where), budget)
        expect(seen.pop()).to.deep.equal({ type: FrameType.ITEM, last: true, payload: new Uint8Array(0) })
        expect(seen.map(({ payload }) => Buffer.from(payload).toString())).to.deep.equal(objects.map(([text]) => text))
        expect(budget.held).to.equal(0)
      })
    )
  })

  it('may have bytes of any kind behind the first', () => {
    fc.assert(
      fc.property(short, fc.uint8Array(), places, (text, bytes, where) => {
        const seen = read(cut(Buffer.concat([Buffer.from(text), bytes]), where), undefined, 'bytes')
        expect(Buffer.from(seen.shift()!.payload).toString()).to.equal(text)
        expect(seen.at(-1)!.last).to.equal(true)
        expect(Buffer.concat(seen.map(({ payload }) => payload)).equals(bytes)).to.equal(true)
      })
    )
  })

  it('are refused with a typed error if they are anything else, and never more is held than may be', () => {
    const nearly = fc.string({
      unit: fc.constantFrom('{', '}', '[', ']', '"', '\\', 'a', ' ', ',', ':'),
      maxLength: 60
    })
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          nearly.map((text) => Buffer.from(text))
        ),
        places,
        (bytes, where) => {
          const most = bytes.length + PIECE_BYTES * (where.length + 1)
          const budget = new ByteBudget(most)
          const error = thrown(() => read(cut(bytes, where), budget))
          if (error !== undefined) expect(error).to.be.instanceOf(WireError)
          expect(budget.held).to.be.within(0, most)
        }
      )
    )
  })

  it('have a size, and a depth', () => {
    const long = Buffer.from(`{"a":"${'x'.repeat(MAX_BYTES)}"}`)
    for (const chunks of [[long], cut(long, [0.3, 0.6])]) {
      const error = thrown(() => read(chunks))
      expect(error).to.include({ code: 'ERR_RPC_PROTOCOL', rpcCode: RpcCode.INVALID_REQUEST })
    }
    const nested = (depth: number) => Buffer.from(`{"a":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`)
    expect(read([nested(MAX_DEPTH)])).to.have.length(2)
    const error = thrown(() => read([nested(MAX_DEPTH + 1)]))
    expect(error).to.include({ code: 'ERR_RPC_PROTOCOL', rpcCode: RpcCode.PARSE_ERROR })
  })

  it('count while they are unfinished, and no longer', () => {
    const budget = new ByteBudget(500)
    const reader = new JsonReader(MAX_BYTES, MAX_DEPTH, budget)
    reader.push(Buffer.from('{"a":"'))
    expect(reader.next()).to.equal(undefined)
    expect(budget.held).to.be.above(6)
    reader.push(Buffer.alloc(400, 'x'))
    expect(thrown(() => reader.next())).to.include({ rpcCode: RpcCode.BUSY })
    reader.drop()
    expect(budget.held).to.equal(0)
  })

  it('end with the stream, but not within one', () => {
    expect(thrown(() => read([Buffer.from('{"a":1')]))).to.include({ rpcCode: RpcCode.PARSE_ERROR })
    const reader = new JsonReader(MAX_BYTES, MAX_DEPTH, new ByteBudget(Infinity))
    reader.end()
    reader.next()
    expect(thrown(() => reader.end())).to.be.instanceOf(WireError)
  })
})
