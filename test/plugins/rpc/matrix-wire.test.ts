import { expect } from 'chai'
import fc from 'fast-check'
import {
  client,
  CloseCode,
  duplex,
  InvalidInputError,
  PeerloomError,
  raw,
  RpcCode,
  RpcError,
  server,
  unary,
  type CallContext,
  type JsonValue
} from '#src/kernel/index.js'
import { LINGER_BYTES, LINGER_MS } from '#src/plugins/rpc/lingering.js'
import { collect, makePair, rejection, textOf, type Pair } from './harness.js'

const contexts: CallContext[] = []
const hang = (context: CallContext): Promise<never> => {
  contexts.push(context)
  return new Promise(() => undefined)
}

const methods = {
  echo: unary((input: JsonValue) => input),
  gather: client<JsonValue, JsonValue[]>((input) => collect(input)),
  spread: server<JsonValue[], JsonValue>((input) => input),
  pass: duplex<JsonValue, JsonValue>((input) => input),
  bytes: raw<JsonValue, JsonValue>((input, body) => ({
    result: input,
    body: body as unknown as AsyncIterable<Uint8Array>
  })),
  hang: unary((_input: unknown, context) => hang(context)),
  stalls: server<null, number>(async function* (_input, context) {
    yield 1
    yield await hang(context)
  }),
  swallows: client<number, number>((_input, context) => hang(context)),
  fails: unary<null, null>(() => {
    throw new RpcError(4711, 'mine', {
      data: [1],
      cause: new PeerloomError('ERR_DIAL', 'no answer', { cause: new RpcError(-32003, 'busy') })
    })
  }),
  failsLate: duplex<number, number>(async function* (input) {
    for await (const item of input) yield item
    throw new RpcError(RpcCode.FORBIDDEN, 'no more')
  }),
  failsInBytes: raw<null, null>(() => ({
    result: null,
    body: (async function* () {
      yield Buffer.from('a')
      await Promise.resolve()
      throw new Error('too bad')
    })()
  }))
}

const json = fc.jsonValue({ maxDepth: 4 }).map((value) => JSON.parse(JSON.stringify(value)) as JsonValue)
const NO_LIMIT = { timer: Infinity }

describe('rpc: the wire of @matrixai/rpc', () => {
  let pair: Pair
  const remote = () => pair.caller.rpc.client(pair.caller.connection, methods)

  async function start(limits: Parameters<typeof makePair>[0] = {}): Promise<void> {
    contexts.length = 0
    pair = await makePair({ ...limits, protocol: 'matrixai-rpc/1' })
    pair.server.rpc.register(methods)
  }

  beforeEach(() => start())
  afterEach(() => pair.stop())

  async function nothingLeft(): Promise<void> {
    await pair.clock.advance(0)
    expect(pair.caller.connection.streams.size).to.equal(0)
    expect(pair.server.connection.streams.size).to.equal(0)
    expect(pair.clock.pending).to.equal(0)
  }

  /** All that the server writes from now on. */
  function wiretap(): Buffer[] {
    const seen: Buffer[] = []
    pair.server.connection.cut = (chunk) => {
      seen.push(Buffer.from(chunk))
      return [chunk]
    }
    return seen
  }

  const say = (text: string) => {
    const stream = pair.caller.connection.tryOpen()
    stream.write(Buffer.from(text))
    return stream
  }

  it('carries any JSON value in and out unchanged, by every kind, however it is cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(json, { minLength: 1, maxLength: 4 }),
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
          expect(await remote().echo(values[0]!, NO_LIMIT)).to.deep.equal(values[0])
          expect(await remote().gather(values, NO_LIMIT)).to.deep.equal(values)
          expect(await collect(remote().spread(values))).to.deep.equal(values)
          expect(await collect(remote().pass(values, NO_LIMIT))).to.deep.equal(values)
          const { result, body } = await remote().bytes(values, [bytes, bytes])
          expect(result).to.deep.equal(values)
          expect(await textOf(body)).to.equal(Buffer.concat([bytes, bytes]).toString())
          await nothingLeft()
        }
      )
    )
  })

  it('is JSON-RPC objects one behind the other', async () => {
    const there = pair.caller.connection
    const sent: string[] = []
    there.cut = (chunk) => {
      sent.push(Buffer.from(chunk).toString())
      return [chunk]
    }
    const answered = wiretap()
    expect(await collect(remote().pass([1, 'two'], { timer: 100 }))).to.deep.equal([1, 'two'])
    expect(sent.join('')).to.equal(
      '{"jsonrpc":"2.0","method":"pass","params":1,"id":null}{"jsonrpc":"2.0","method":"pass","params":"two","id":null}\n'
    )
    expect(Buffer.concat(answered).toString()).to.equal(
      '{"jsonrpc":"2.0","result":1,"id":null}{"jsonrpc":"2.0","result":"two","id":null}\n'
    )
  })

  it('tells how long the caller waits in the metadata of an object, where a shorter limit stays', async () => {
    const echo = (input: JsonValue) => remote().echo(input, { timer: 400 })
    expect(await echo({})).to.deep.equal({ metadata: { timeout: 400 } })
    expect(await echo({ a: 1, metadata: { b: 2 } })).to.deep.equal({ a: 1, metadata: { b: 2, timeout: 400 } })
    expect(await echo({ metadata: { timeout: 300 } })).to.deep.equal({ metadata: { timeout: 300 } })
    expect(await echo({ metadata: { timeout: 900 } })).to.deep.equal({ metadata: { timeout: 400 } })
    expect(await echo({ text: '"metadata"' })).to.deep.equal({ text: '"metadata"', metadata: { timeout: 400 } })
    for (const input of [{ metadata: 7 }, { metadata: ['x'] }, [1], 'x', null, 0]) {
      expect(await echo(input)).to.deep.equal(input)
    }
  })

  it('keeps the code, message, data and cause of errors, and sends no stack', async () => {
    const seen = wiretap()
    const error = await rejection(remote().fails(null))
    expect(error).to.be.instanceOf(RpcError)
    expect(error).to.include({ code: 'ERR_RPC', rpcCode: 4711, message: 'mine' })
    expect(error.data).to.deep.equal([1])
    expect(error.cause).to.include({ code: 'ERR_DIAL', message: 'no answer' })
    expect((error.cause as Error).cause).to.include({ rpcCode: -32003, message: 'busy' })
    expect(Buffer.concat(seen).toString()).not.to.match(/\.test|node_modules|\.js/)
    const unknown = pair.caller.rpc.client(pair.caller.connection, { absent: unary() })
    expect(await rejection(unknown.absent(null))).to.include({ rpcCode: RpcCode.METHOD_NOT_FOUND })
  })

  it('tells of errors behind items, and gives bytes up where there is no room for an error', async () => {
    const items = remote().failsLate([1])
    expect(await items.next()).to.deep.equal({ done: false, value: 1 })
    expect(await rejection(items.next())).to.include({ rpcCode: RpcCode.FORBIDDEN })
    const { body } = await remote().failsInBytes(null, [])
    expect(await rejection(textOf(body))).to.include({ code: 'ERR_STREAM_RESET', streamCode: CloseCode.INTERNAL })
    await nothingLeft()
  })

  it('has the deadline of the shorter side, and the handler learns of it', async () => {
    expect(await pair.clock.until(rejection(remote().hang({}, { timer: 50 })))).to.include({ code: 'ERR_RPC_TIMEOUT' })
    const items = remote().stalls(null, { timer: 60 })
    await items.next()
    expect(await pair.clock.until(rejection(items.next()))).to.include({ code: 'ERR_RPC_TIMEOUT' })
    await pair.clock.advance(5)
    for (const { signal } of contexts) expect(signal.reason).to.include({ rpcCode: RpcCode.TIMEOUT })
    expect(contexts[0]!.timer.timeoutMs).to.equal(50)
    await nothingLeft()
    pair.server.rpc.register({ brief: unary((_input: unknown, context) => hang(context), { timeoutMs: 30 }) })
    const brief = pair.caller.rpc.client(pair.caller.connection, { brief: unary() }).brief(null)
    expect(await pair.clock.until(rejection(brief))).to.include({ code: 'ERR_RPC_TIMEOUT' })
    expect(pair.clock.monotonic()).to.be.below(200)
  })

  it('tells the handler that the caller gave up, by every kind', async () => {
    const controller = new AbortController()
    const options = { signal: controller.signal }
    const calls = [remote().hang(1, options), remote().swallows([1, 2], options)]
    const items = remote().stalls(null, options)
    await items.next()
    const left = remote().stalls(null)
    await left.next()
    await pair.clock.advance(1)
    expect(contexts).to.have.length(4)
    await left.return!()
    controller.abort()
    for (const call of [...calls, items.next()]) expect(await rejection(call)).to.include({ code: 'ERR_ABORTED' })
    await pair.clock.advance(1)
    for (const { signal } of contexts) expect(signal.reason).to.include({ rpcCode: RpcCode.CANCELLED })
    await nothingLeft()
  })

  it('refuses to begin a call without a message, which it cannot say', async () => {
    expect(await rejection(remote().gather([]))).to.be.instanceOf(InvalidInputError)
    expect(await rejection(remote().pass([]).next())).to.be.instanceOf(InvalidInputError)
    await nothingLeft()
  })

  it('refuses methods whose messages are bytes, on either side', async () => {
    const binary = {
      input: unary<Uint8Array, number>((bytes) => bytes.length, { binary: 'input' }),
      output: server<number, Uint8Array>((size) => [new Uint8Array(size)], { binary: 'output' })
    }
    pair.server.rpc.register(binary)
    const { connection } = pair.caller
    const told = pair.caller.rpc.client(connection, binary)
    expect(await rejection(told.input(Uint8Array.of(1)))).to.be.instanceOf(InvalidInputError)
    expect(await rejection(told.output(1).next())).to.be.instanceOf(InvalidInputError)
    const untold = pair.caller.rpc.client(connection, { input: unary(), output: server<number, null>() })
    expect(await rejection(untold.input(1))).to.include({ rpcCode: RpcCode.INVALID_PARAMS })
    expect(await rejection(untold.output(1).next())).to.include({ rpcCode: RpcCode.INTERNAL_ERROR })
    await nothingLeft()
  })

  it('answers malformed bytes with one typed error, and harms no other call', async () => {
    const request = '{"jsonrpc":"2.0","method":"gather","params":1,"id":null}'
    const other = remote().hang({ metadata: { timeout: 90 } })
    for (const [bytes, code] of [
      ['[]', RpcCode.PARSE_ERROR],
      ['x', RpcCode.PARSE_ERROR],
      ['{"a":}', RpcCode.PARSE_ERROR],
      ['{}', RpcCode.INVALID_REQUEST],
      ['{"jsonrpc":"2.0","method":"gather"}', RpcCode.INVALID_REQUEST],
      [`${request}{}`, RpcCode.INVALID_REQUEST],
      [`${request}x`, RpcCode.PARSE_ERROR],
      [`{"a":${'['.repeat(100)}`, RpcCode.PARSE_ERROR]
    ] as const) {
      const stream = say(bytes)
      await pair.clock.advance(0)
      const { error } = JSON.parse(Buffer.from(stream.read()!).toString()) as { error: { code: number } }
      expect(error.code, bytes).to.equal(code)
      expect(stream.read()).to.equal(null)
      stream.reset(0)
    }
    expect(await pair.clock.until(rejection(other))).to.include({ code: 'ERR_RPC_TIMEOUT' })
    await nothingLeft()
  })

  it('answers random bytes with an error or not at all, and goes on', async () => {
    const text = fc.string({ unit: fc.constantFrom('{', '}', '"', '\\', '[', ']', '1', ':', ','), maxLength: 40 })
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.uint8Array(),
          text.map((one) => Buffer.from(one))
        ),
        async (bytes) => {
          const stream = pair.caller.connection.tryOpen()
          stream.end(Buffer.concat([bytes, Buffer.from(' ')]))
          await pair.clock.advance(0)
          const answer = stream.read()
          if (answer) expect(JSON.parse(Buffer.from(answer).toString())).to.have.nested.property('error.code')
          stream.stop(0)
          expect(await remote().echo(1)).to.equal(1)
          await nothingLeft()
        }
      )
    )
  })

  it('gives up a call whose answer is malformed, and that one only', async () => {
    for (const answer of ['x', '{}', '{"jsonrpc":"2.0","id":null}', '{"jsonrpc":"2.0","error":{},"id":null}', ' ']) {
      await pair.stop()
      await start()
      pair.server.connection.onStream = (stream) => {
        stream.end(Buffer.from(answer))
      }
      expect(await rejection(remote().echo(1)), answer).to.include({ code: 'ERR_RPC_PROTOCOL' })
    }
  })

  it('ends a call in one typed error whatever the answer is, unless it is one', async () => {
    const error = json.map((value) => `{"jsonrpc":"2.0","error":${JSON.stringify(value)},"id":null}`)
    const text = fc.string({ unit: fc.constantFrom('{', '}', '"', '\\', '[', ']', '1', ':', ','), maxLength: 40 })
    const bytes = fc.oneof(
      fc.uint8Array(),
      fc.oneof(error, text).map((one) => Buffer.from(one))
    )
    await fc.assert(
      fc.asyncProperty(bytes, fc.constantFrom('echo', 'pass', 'bytes'), async (answer, method) => {
        pair.server.connection.onStream = (stream) => {
          stream.end(Buffer.concat([answer, Buffer.from(' ')]))
        }
        const calls = {
          echo: () => remote().echo(1),
          pass: () => collect(remote().pass([1])),
          bytes: async () => textOf((await remote().bytes(1, [])).body)
        }
        const thrown = await pair.clock.until(rejection(calls[method]()))
        // Nothing at all is a stream of no items, and ends well.
        if (thrown.message !== 'it did not fail')
          expect(thrown.code).to.be.oneOf(['ERR_RPC', 'ERR_RPC_PROTOCOL', 'ERR_RPC_TIMEOUT'])
        await pair.clock.advance(LINGER_MS)
        expect(pair.clock.pending).to.equal(0)
        expect(pair.caller.connection.streams.size).to.equal(0)
      })
    )
  })

  it('has limits: of size, in both directions, and of calls at a time', async () => {
    await pair.stop()
    await start({ server: { maxConcurrentCalls: 1, maxMessageBytes: 2048 } })
    expect(await rejection(remote().echo('x'.repeat(3_000)))).to.include({ rpcCode: RpcCode.INVALID_REQUEST })
    pair.server.rpc.register({ big: unary(() => 'x'.repeat(3_000)) })
    const big = pair.caller.rpc.client(pair.caller.connection, { big: unary() }).big(null)
    expect(await rejection(big)).to.include({ rpcCode: RpcCode.INTERNAL_ERROR })
    const first = rejection(remote().hang(1))
    await pair.clock.advance(1)
    expect(await rejection(remote().echo(1))).to.include({ rpcCode: RpcCode.BUSY })
    await pair.caller.kernel.stop()
    expect(await first).to.include({ code: 'ERR_ABORTED' })
  })

  it('waits for the end of a caller that ends after the answer, and for a while only', async () => {
    const request = '{"jsonrpc":"2.0","method":"echo","params":1,"id":null}'
    const ends = say(request)
    const never = say(request)
    await pair.clock.advance(1)
    for (const stream of [ends, never]) {
      expect(Buffer.from(stream.read()!).toString()).to.equal('{"jsonrpc":"2.0","result":1,"id":null}')
      expect(stream.read()).to.equal(null)
    }
    ends.end()
    await pair.clock.advance(LINGER_MS - 2)
    expect(never.closed).to.equal(false)
    await pair.clock.advance(2)
    expect(never.closed).to.equal(true)
    await nothingLeft()
  })

  it('takes no more than so much while it waits', async () => {
    const stream = say('{"jsonrpc":"2.0","method":"echo","params":1,"id":null}')
    await pair.clock.advance(1)
    const chunk = Buffer.alloc(64 * 1024, ' ')
    const flood = async (): Promise<void> => {
      for (let sent = 0; sent <= 2 * LINGER_BYTES; sent += chunk.length) {
        stream.write(chunk)
        await pair.clock.advance(0)
      }
    }
    expect(await rejection(flood())).to.include({ code: 'ERR_STREAM_RESET', streamCode: CloseCode.OK })
    expect(pair.clock.pending).to.equal(0)
  })

  it('waits for nothing when the node stops', async () => {
    say('{"jsonrpc":"2.0","method":"echo","params":1,"id":null}')
    await pair.clock.advance(1)
    expect(pair.clock.pending).to.equal(1)
    await pair.server.kernel.stop()
    expect(pair.clock.pending).to.equal(0)
  })
})
