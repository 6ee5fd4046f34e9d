import { expect } from 'chai'
import fc from 'fast-check'
import { client, CloseCode, duplex, raw, RpcCode, server, unary, type JsonValue } from '#src/kernel/index.js'
import { frameHeader, FrameType, LAST, textFrame } from '#src/plugins/rpc/frames.js'
import { collect, makePair, rejection, textOf, type Pair, WAYS } from './harness.js'

const methods = {
  echo: unary((input: JsonValue) => input),
  gather: client<JsonValue, JsonValue[]>((input) => collect(input)),
  spread: server<JsonValue[], JsonValue>((input) => input),
  pass: duplex<JsonValue, JsonValue>((input) => input),
  bytes: raw<JsonValue, JsonValue>((input, body) => ({
    result: input,
    body: body as unknown as AsyncIterable<Uint8Array>
  }))
}

// JSON has one zero, and no `undefined` in arrays.
const json = fc.jsonValue({ maxDepth: 4 }).map((value) => JSON.parse(JSON.stringify(value)) as JsonValue)

for (const [way, options] of WAYS) {
  describe(`rpc: the wire (${way})`, () => {
    let pair: Pair
    const remote = () => pair.caller.rpc.client(pair.caller.connection, methods)

    before(async () => {
      pair = await makePair({ caller: options, server: options })
      pair.server.rpc.register(methods)
    })

    after(() => pair.stop())

    async function nothingLeft(): Promise<void> {
      await pair.settle()
      expect(pair.clock.pending).to.equal(0)
      expect(pair.caller.connection.streams.size).to.equal(0)
      expect(pair.server.connection.streams.size).to.equal(0)
    }

    it('carries any JSON value in and out unchanged, by every kind, however it is cut', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(json, { maxLength: 4 }),
          fc.uint8Array(),
          fc.integer({ min: 1, max: 40 }),
          async (values, bytes, size) => {
            for (const { connection } of [pair.caller, pair.server]) {
              connection.cut = (chunk) => {
                const pieces: Uint8Array[] = []
                for (let at = 0; at < chunk.length; at += size) pieces.push(chunk.subarray(at, at + size))
                return pieces
              }
            }
            expect(await remote().echo(values)).to.deep.equal(values)
            expect(await remote().gather(values)).to.deep.equal(values)
            expect(await collect(remote().spread(values))).to.deep.equal(values)
            expect(await collect(remote().pass(values))).to.deep.equal(values)
            const { result, body } = await remote().bytes(values, [bytes, bytes])
            expect(result).to.deep.equal(values)
            expect(await textOf(body)).to.equal(Buffer.concat([bytes, bytes]).toString())
            await nothingLeft()
          }
        ),
        { numRuns: 50 }
      )
      for (const { connection } of [pair.caller, pair.server]) connection.cut = (chunk) => [chunk]
    })

    it('carries a body of megabytes', async () => {
      const chunk = Buffer.alloc(300_000, 'x')
      const { body } = await remote().bytes(
        null,
        Array.from({ length: 20 }, () => chunk)
      )
      let length = 0
      for await (const bytes of body as unknown as AsyncIterable<Uint8Array>) length += bytes.length
      expect(length).to.equal(6_000_000)
      await nothingLeft()
    })

    /** What the server answers to bytes, and with which codes it left the stream. */
    async function answerTo(...chunks: Uint8Array[]) {
      const stream = pair.caller.connection.tryOpen()
      for (const chunk of chunks.slice(0, -1)) stream.write(chunk)
      stream.end(chunks.at(-1))
      await pair.clock.advance(0)
      const parts: Uint8Array[] = []
      for (let chunk = stream.read(); chunk instanceof Uint8Array; chunk = stream.read()) parts.push(chunk)
      const bytes = Buffer.concat(parts)
      expect(bytes.length).to.equal(5 + bytes.readUInt32BE(0))
      expect(bytes[4]).to.equal(FrameType.MESSAGE | LAST)
      return JSON.parse(bytes.subarray(5).toString()) as { id: unknown; error: { code: number }; result?: unknown }
    }

    const message = (text: string, last = true) => textFrame(FrameType.MESSAGE, text, last)

    it('is answered with the standard codes when it is malformed', async () => {
      const cases: [number, ...Uint8Array[]][] = [
        [RpcCode.PARSE_ERROR, message('{"jsonrpc":')],
        [RpcCode.PARSE_ERROR, message('['.repeat(100))],
        [RpcCode.INVALID_REQUEST, message('[]')],
        [RpcCode.INVALID_REQUEST, message('null')],
        [RpcCode.INVALID_REQUEST, message('{"jsonrpc":"1.0","id":1,"method":"echo"}')],
        [RpcCode.INVALID_REQUEST, message('{"jsonrpc":"2.0","id":1,"method":7}')],
        [RpcCode.INVALID_REQUEST, message('{"jsonrpc":"2.0","method":"echo"}')],
        [RpcCode.INVALID_REQUEST, message('{"jsonrpc":"2.0","id":{},"method":"echo"}')],
        [RpcCode.INVALID_REQUEST, message('{"jsonrpc":"2.0","id":1,"method":"echo","metadata":{"timeout":"1"}}')],
        [RpcCode.INVALID_REQUEST, message('{"jsonrpc":"2.0","id":1,"method":"echo","metadata":{"timeout":-1}}')],
        [RpcCode.INVALID_REQUEST, message('{"jsonrpc":"2.0","id":1,"method":"echo"}', false)],
        [RpcCode.INVALID_REQUEST, textFrame(FrameType.ITEM, '1', true)],
        [RpcCode.INVALID_REQUEST, Uint8Array.of(0, 0, 0, 1, 0x70, 0)],
        [RpcCode.INVALID_REQUEST, Uint8Array.of(0, 0)],
        [RpcCode.INVALID_REQUEST, frameHeader(FrameType.MESSAGE, 0xffffff00, true)],
        [RpcCode.METHOD_NOT_FOUND, message('{"jsonrpc":"2.0","id":1,"method":"toString"}')],
        [
          RpcCode.PARSE_ERROR,
          message('{"jsonrpc":"2.0","id":1,"method":"gather"}', false),
          textFrame(FrameType.ITEM, '{', true)
        ],
        [
          RpcCode.INVALID_REQUEST,
          message('{"jsonrpc":"2.0","id":1,"method":"gather"}', false),
          textFrame(FrameType.DATA, 'x', true)
        ],
        [
          RpcCode.INVALID_REQUEST,
          message('{"jsonrpc":"2.0","id":1,"method":"gather"}', false),
          textFrame(FrameType.ITEM, '1', false)
        ]
      ]
      for (const [code, ...chunks] of cases) {
        expect((await answerTo(...chunks)).error, Buffer.concat(chunks).toString()).to.include({ code })
      }
      expect(await remote().echo('still here')).to.equal('still here')
      await nothingLeft()
    })

    it('repeats the id of the request', async () => {
      for (const id of ['"a"', '7', 'null']) {
        const { id: repeated, result } = await answerTo(
          message(`{"jsonrpc":"2.0","id":${id},"method":"echo","params":1}`)
        )
        expect([JSON.stringify(repeated), result]).to.deep.equal([id, 1])
      }
    })

    it('closes only the stream on which random bytes come', async () => {
      const prefix = fc.constantFrom(
        new Uint8Array(),
        message('{"jsonrpc":"2.0","id":1,"method":"gather"}', false),
        message('{"jsonrpc":"2.0","id":1,"method":"pass"}', false),
        message('{"jsonrpc":"2.0","id":1,"method":"bytes"}', false)
      )
      await fc.assert(
        fc.asyncProperty(prefix, fc.uint8Array({ maxLength: 60 }), async (start, bytes) => {
          const stream = pair.caller.connection.tryOpen()
          stream.end(Buffer.concat([start, bytes]))
          await pair.clock.advance(0)
          for (let chunk = stream.read(); chunk instanceof Uint8Array; chunk = stream.read());
          expect(await remote().echo(1)).to.equal(1)
          await nothingLeft()
        }),
        { numRuns: 200 }
      )
    })

    it('ends a call in one typed error when the answer is malformed, whatever the bytes', async () => {
      const { connection } = pair.server
      const serve = connection.onStream
      const start = fc.constantFrom(
        new Uint8Array(),
        textFrame(FrameType.ITEM, '1', false),
        message('{"jsonrpc":"2.0","id":1,"result":1}', false)
      )
      const kinds = fc.constantFrom('echo', 'gather', 'spread', 'pass', 'bytes')
      await fc.assert(
        fc.asyncProperty(kinds, start, fc.uint8Array({ maxLength: 40 }), async (kind, prefix, bytes) => {
          connection.onStream = (stream) => stream.end(Buffer.concat([prefix, bytes]))
          const calls: Record<string, () => Promise<unknown>> = {
            echo: () => remote().echo(1),
            gather: () => remote().gather([1]),
            spread: () => collect(remote().spread([])),
            pass: () => collect(remote().pass([])),
            bytes: async () => textOf((await remote().bytes(1, [])).body)
          }
          // On a lane an end that nothing announced stands for a reset.
          const error = await rejection(calls[kind]!())
          expect(error).to.have.property('code').that.is.oneOf(['ERR_RPC_PROTOCOL', 'ERR_STREAM_RESET'])
          const stream = pair.caller.connection.opened.at(-1)!
          expect(stream.codes.stop).to.be.oneOf([CloseCode.PROTOCOL, CloseCode.CANCELLED])
          for (const open of connection.streams) open.stop(0)
          await nothingLeft()
        }),
        { numRuns: 200 }
      )
      connection.onStream = serve
      expect(await remote().echo(1)).to.equal(1)
    })
  })
}
