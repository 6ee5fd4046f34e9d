import { expect } from 'chai'
import fc from 'fast-check'
import { client, duplex, raw, RpcCode, server, unary, type Binary, type JsonValue } from '#src/kernel/index.js'
import { BYTES_FOLLOW, binaryFrame } from '#src/plugins/rpc/binary.js'
import { collect, makePair, rejection, WAYS, type Pair } from './harness.js'

const both = { binary: 'both' } as const

const methods = {
  reverse: unary((bytes: Uint8Array) => Uint8Array.from(bytes).reverse(), both),
  length: unary((bytes: Uint8Array) => ({ length: bytes.length }), { binary: 'input' }),
  zeros: unary(async (count: number) => Promise.resolve(new Uint8Array(count)), { binary: 'output' }),
  join: client<Uint8Array, Uint8Array>(async (input) => Buffer.concat(await collect(input)), both),
  split: server<Uint8Array, Uint8Array>((bytes) => [...bytes].map((byte) => Uint8Array.of(byte)), both),
  pass: duplex<Uint8Array, Uint8Array>((input) => input, both),
  sizes: duplex<Uint8Array, number>(
    async function* (input) {
      for await (const bytes of input) yield bytes.length
    },
    { binary: 'input' }
  )
}

const bytes = fc.uint8Array({ maxLength: 6_000 })

for (const [way, options] of WAYS) {
  describe(`rpc: messages that are bytes (${way})`, () => {
    let pair: Pair
    const remote = () => pair.caller.rpc.client(pair.caller.connection, methods)

    before(async () => {
      pair = await makePair({ caller: options, server: options })
      pair.server.rpc.register(methods)
    })

    after(() => pair.stop())

    it('arrive unchanged by every kind, however they are cut, as plain arrays of their own', async () => {
      await fc.assert(
        fc.asyncProperty(
          bytes,
          fc.array(bytes, { maxLength: 4 }),
          fc.integer({ min: 20, max: 2_000 }),
          async (one, many, size) => {
            for (const { connection } of [pair.caller, pair.server]) {
              connection.cut = (chunk) => {
                const pieces: Uint8Array[] = []
                for (let at = 0; at < chunk.length; at += size) pieces.push(chunk.subarray(at, at + size))
                return pieces
              }
            }
            const reversed = await remote().reverse(one)
            expect(reversed).to.deep.equal(Uint8Array.from(one).reverse())
            expect([reversed.constructor, reversed.buffer.byteLength]).to.deep.equal([Uint8Array, one.length])
            expect(await remote().length(one)).to.deep.equal({ length: one.length })
            expect(await remote().zeros(one.length)).to.deep.equal(new Uint8Array(one.length))
            expect(Buffer.concat(many).equals(await remote().join(many))).to.equal(true)
            expect(await collect(remote().split(one.subarray(0, 20)))).to.deep.equal(
              [...one.subarray(0, 20)].map((b) => Uint8Array.of(b))
            )
            expect(await collect(remote().pass(many))).to.deep.equal(many)
            expect(await collect(remote().sizes(many))).to.deep.equal(many.map(({ length }) => length))
          }
        ),
        { numRuns: 40 }
      )
      for (const { connection } of [pair.caller, pair.server]) connection.cut = (chunk) => [chunk]
      await pair.settle()
      expect(pair.caller.connection.streams.size).to.equal(0)
      expect(pair.server.connection.streams.size).to.equal(0)
    })

    it('are refused where JSON is expected, and the other way round', async () => {
      const odd = {
        reverse: unary<JsonValue, JsonValue>(),
        length: unary<JsonValue, JsonValue>(),
        zeros: unary<Uint8Array, Uint8Array>(undefined, both),
        join: client<number, JsonValue>(),
        split: server<JsonValue, JsonValue>()
      }
      const wrong = pair.caller.rpc.client(pair.caller.connection, odd)
      expect(await rejection(wrong.length([1]))).to.include({ rpcCode: RpcCode.INVALID_PARAMS })
      expect(await rejection(wrong.split(null).next())).to.include({ rpcCode: RpcCode.INVALID_PARAMS })
      expect(await rejection(wrong.zeros(new Uint8Array(1)))).to.include({ rpcCode: RpcCode.INVALID_PARAMS })
      expect(await rejection(wrong.join([1]))).to.include({ rpcCode: RpcCode.INVALID_REQUEST })
      const blind = pair.caller.rpc.client(pair.caller.connection, { zeros: unary<number, JsonValue>() })
      expect(await rejection(blind.zeros(3))).to.include({ code: 'ERR_RPC_PROTOCOL' })
      const greedy = { length: unary<Uint8Array, Uint8Array>(undefined, both) }
      const taken = pair.caller.rpc.client(pair.caller.connection, greedy)
      expect(await rejection(taken.length(new Uint8Array(2)))).to.include({ code: 'ERR_RPC_PROTOCOL' })
    })

    it('are all that such a method takes and gives', async () => {
      const careless = { careless: unary<number, Uint8Array>((() => 'no bytes') as never, { binary: 'output' }) }
      const back = pair.server.rpc.register(careless)
      const remoteCareless = pair.caller.rpc.client(pair.caller.connection, careless)
      expect(await rejection(remoteCareless.careless(1))).to.include({ rpcCode: RpcCode.INTERNAL_ERROR })
      back()
      for (const call of [remote().length('text' as never), remote().join(['text' as never])]) {
        expect(await rejection(call)).to.include({ code: 'ERR_INVALID_INPUT' })
      }
    })
  })
}

describe('rpc: messages that are bytes', () => {
  let pair: Pair
  beforeEach(async () => (pair = await makePair()))
  afterEach(() => pair.stop())

  it('are declared by words that exist, and not for raw methods, which have bytes anyway', () => {
    for (const method of [
      unary(() => 1, { binary: 'outpt' as Binary as never }),
      raw(() => ({ result: null, body: [] }), { binary: 'input' as never })
    ]) {
      expect(() => pair.server.rpc.register({ odd: method }))
        .to.throw()
        .with.property('code', 'ERR_INVALID_INPUT')
      expect(() => pair.caller.rpc.client(pair.caller.connection, { odd: method }))
        .to.throw()
        .with.property('code', 'ERR_INVALID_INPUT')
    }
  })

  it('are malformed without a message in front, or with the value in it', async () => {
    pair.server.rpc.register(methods)
    const request = (more: string) => `{"jsonrpc":"2.0","id":1,"method":"reverse"${more}}`
    for (const [text, code] of [
      ['', RpcCode.PARSE_ERROR],
      [request(''), RpcCode.PARSE_ERROR],
      [request(',"params":1') + BYTES_FOLLOW, RpcCode.INVALID_REQUEST],
      [`[]${BYTES_FOLLOW}`, RpcCode.INVALID_REQUEST]
    ] as const) {
      const stream = pair.caller.connection.tryOpen()
      stream.end(binaryFrame(text, Uint8Array.of(1, 2), true))
      await pair.clock.advance(0)
      expect(Buffer.from(stream.read()!).toString()).to.include(String(code))
    }
  })
})
