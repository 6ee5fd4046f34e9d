import { expect } from 'chai'
import fc from 'fast-check'
import { setMaxListeners } from 'node:events'
import {
  CloseCode,
  RpcCode,
  RpcError,
  server,
  sleep,
  unary,
  type CallContext,
  type JsonValue,
  type Stream
} from '#src/kernel/index.js'
import { answerFrames } from '#src/plugins/rpc/binary.js'
import { beginLane, FRAME_HEADER_BYTES } from '#src/plugins/rpc/frames.js'
import { endFrame, LaneReader, LaneType, MAX_LANE_BYTES, messageOnLane } from '#src/plugins/rpc/lane-frames.js'
import { MAX_CALLS_PER_LANE } from '#src/plugins/rpc/lane.js'
import { requestText } from '#src/plugins/rpc/messages.js'
import type { StreamDouble } from './double.js'
import { makePair, rejection, type Pair } from './harness.js'

const LANES = 8

describe('rpc: lanes', () => {
  let pair: Pair
  let contexts: CallContext[]
  const methods = {
    echo: unary((input: JsonValue) => input),
    later: unary(async (ms: number) => {
      await sleep(pair.clock, ms)
      return ms
    }),
    repeat: unary((times: number) => 'x'.repeat(times)),
    hang: unary((_input: unknown, context: CallContext): Promise<never> => {
      contexts.push(context)
      return new Promise(() => undefined)
    })
  }
  const remote = () => pair.caller.rpc.client(pair.caller.connection, methods)
  const opened = () => pair.caller.connection.opened

  beforeEach(async () => {
    contexts = []
    pair = await makePair({ caller: { laneAfterCalls: 0 } })
    pair.server.rpc.register(methods)
  })

  afterEach(() => pair.stop())

  async function nothingLeft(): Promise<void> {
    await pair.settle()
    expect(pair.clock.pending).to.equal(0)
    expect(pair.caller.connection.streams.size).to.equal(0)
    expect(pair.server.connection.streams.size).to.equal(0)
  }

  /** What has come on a stream that was opened by hand. */
  function read(stream: StreamDouble): { type: number; call: number; text: string }[] {
    const frames: { type: number; call: number; text: string }[] = []
    const reader = new LaneReader({
      frame(type, call, bytes, from, to) {
        frames.push({ type, call, text: Buffer.from(bytes.subarray(from, to)).toString() })
        return true
      }
    })
    const chunks: Uint8Array[] = []
    for (let chunk = stream.read(); chunk instanceof Uint8Array; chunk = stream.read()) chunks.push(chunk)
    const bytes = Buffer.concat(chunks)
    expect(bytes.subarray(0, FRAME_HEADER_BYTES).equals(beginLane)).to.equal(true)
    reader.push(bytes.subarray(FRAME_HEADER_BYTES))
    return frames
  }

  async function laneByHand(...frames: Uint8Array[]): Promise<StreamDouble> {
    const stream = pair.caller.connection.tryOpen()
    for (const frame of [beginLane, ...frames]) stream.write(frame)
    await pair.clock.advance(0)
    return stream
  }

  const request = (call: number, method: string, params: string) =>
    messageOnLane(call, requestText(method, params, Infinity))

  it('carry all small calls of a moment, and answer each as soon as it can be', async () => {
    const order: number[] = []
    const times = [30, 10, 0, 20]
    const calls = times.map(async (ms) => order.push(await remote().later(ms)))
    await pair.clock.until(Promise.all(calls))
    expect(order).to.deep.equal([0, 10, 20, 30])
    for (let i = 0; i < 10; i++) await remote().echo(i)
    expect(opened()).to.have.length(1)
    await nothingLeft()
  })

  it('are not opened for a few calls a second', async () => {
    await pair.stop()
    pair = await makePair({ caller: { laneAfterCalls: 3 } })
    pair.server.rpc.register(methods)
    for (const streams of [1, 2, 3]) {
      await remote().echo(streams)
      expect(opened()).to.have.length(streams)
      await pair.clock.advance(600)
    }
    expect(pair.caller.connection.streams.size).to.equal(0)
    for (let i = 0; i < 10; i++) await remote().echo(i)
    expect(opened()).to.have.length(6)
    await nothingLeft()
  })

  it('leave long requests and answers to streams of their own', async () => {
    const long = 'x'.repeat(MAX_LANE_BYTES)
    expect(await remote().echo(long)).to.equal(long)
    expect(opened()).to.have.length(1)
    expect(await Promise.all([remote().repeat(100_000), remote().echo(1), remote().repeat(3)])).to.deep.equal([
      'x'.repeat(100_000),
      1,
      'xxx'
    ])
    expect([opened().length, pair.server.connection.opened.length]).to.deep.equal([2, 1])
    await nothingLeft()
  })

  it('tell long errors too', async () => {
    const data = 'x'.repeat(50_000)
    const fails = {
      fails: unary(() => {
        throw new RpcError(77, 'at length', { data })
      })
    }
    pair.server.rpc.register(fails)
    const error = await rejection(pair.caller.rpc.client(pair.caller.connection, fails).fails(null))
    expect(error).to.include({ rpcCode: 77, data })
    await nothingLeft()
  })

  it('take another lane while something may be stuck on one, and streams when all are full', async () => {
    const controller = new AbortController()
    setMaxListeners(Infinity, controller.signal)
    const hang = () => rejection(remote().hang(null, { signal: controller.signal }))
    const calls: Promise<unknown>[] = []
    for (let i = 0; i < LANES + 2; i++) {
      calls.push(hang())
      await pair.clock.advance(0)
    }
    expect(opened()).to.have.length(LANES)
    while (calls.length < LANES * MAX_CALLS_PER_LANE) calls.push(hang())
    await pair.clock.advance(0)
    expect(opened()).to.have.length(LANES)
    for (let i = 0; i < 5; i++) calls.push(hang())
    await pair.clock.advance(0)
    expect(opened()).to.have.length(LANES + 5)
    expect(contexts).to.have.length(calls.length)
    controller.abort()
    await Promise.all(calls)
    await pair.clock.advance(0)
    for (const { signal } of contexts) expect(signal.reason).to.include({ rpcCode: RpcCode.CANCELLED })
  })

  it('are taken packet by packet where a lost one costs time, and all at once where it does not', async () => {
    for (const [rttMs, lanes] of [
      [0.2, 1],
      [50, 4]
    ] as const) {
      await pair.stop()
      pair = await makePair({ caller: { laneAfterCalls: 0 } })
      pair.server.rpc.register(methods)
      pair.caller.connection.rttMs = rttMs
      await Promise.all(Array.from({ length: 20 }, () => remote().echo('x'.repeat(100))))
      expect(opened()).to.have.length(lanes)
    }
  })

  it('hold no more than a lane’s share for a peer that does not read', async () => {
    pair.server.connection.onStream = () => undefined
    const text = 'x'.repeat(MAX_LANE_BYTES - 200)
    const calls: Promise<unknown>[] = []
    for (let i = 0; i < 2_000; i++) {
      calls.push(rejection(remote().echo(text, { timer: 1_000 })))
      if (i % 100 === 0) await pair.clock.advance(0)
    }
    for (const stream of pair.server.connection.streams) {
      let bytes = 0
      for (let chunk = stream.read(); chunk instanceof Uint8Array; chunk = stream.read()) bytes += chunk.length
      expect(bytes).to.be.below(MAX_CALLS_PER_LANE * (MAX_LANE_BYTES + 100))
    }
    for (const error of await pair.clock.until(Promise.all(calls))) {
      expect(error).to.include({ code: 'ERR_RPC_TIMEOUT' })
    }
  })

  it('are not read while their caller does not read its answers', async () => {
    const text = 'x'.repeat(3_000)
    const stream = await laneByHand()
    for (let i = 1; i <= 1_000; i++) stream.write(request(i, 'echo', JSON.stringify(text)))
    await pair.clock.advance(0)
    const [theirs] = pair.server.connection.streams
    expect(theirs!.taken).to.be.below(500_000)
    expect(read(stream).length).to.be.within(50, 300)
    await pair.clock.advance(0)
    stream.reset(CloseCode.CANCELLED)
    stream.stop(CloseCode.CANCELLED)
  })

  it('end when nobody uses them, and begin anew', async () => {
    await remote().echo(1)
    await pair.clock.advance(900)
    await remote().echo(2)
    await pair.clock.advance(900)
    await remote().echo(3)
    expect(opened()).to.have.length(1)
    await nothingLeft()
    await remote().echo(4)
    expect(opened()).to.have.length(2)
    await nothingLeft()
  })

  it('stay while a call is under way, without a timer', async () => {
    const controller = new AbortController()
    const call = rejection(remote().hang(null, { signal: controller.signal, timer: Infinity }))
    await pair.clock.advance(50_000)
    expect(pair.caller.connection.streams.size).to.equal(1)
    controller.abort()
    await call
    await nothingLeft()
  })

  it('are ended by whoever serves them if their caller forgets to', async () => {
    const stream = await laneByHand(request(1, 'echo', '1'))
    await pair.clock.advance(40_000)
    expect(read(stream).map(({ type, call }) => [type, call])).to.deep.equal([
      [LaneType.MESSAGE, 1],
      [LaneType.END, 1]
    ])
    await pair.clock.advance(40_000)
    expect(pair.server.connection.streams.size).to.equal(0)
    expect(() => stream.write(Uint8Array.of(1))).to.throw()
  })

  it('go again with calls that the other side has not seen when it ends a lane', async () => {
    const { connection } = pair.server
    const serve = connection.onStream!
    let ended = 0
    connection.onStream = (stream: Stream) => {
      if (++ended === 2) connection.onStream = serve
      stream.write(beginLane)
      stream.end(endFrame(0))
    }
    expect(await Promise.all([remote().echo('a'), remote().echo('b')])).to.deep.equal(['a', 'b'])
    expect(opened()).to.have.length(3)
    for (const open of [...connection.streams].slice(0, 2)) open.stop(CloseCode.OK)
    await nothingLeft()
  })

  it('do not go again with calls that the other side may have seen, nor for ever', async () => {
    const { connection } = pair.server
    for (const seen of [1, 0]) {
      connection.onStream = (stream: Stream) => {
        stream.write(beginLane)
        stream.end(endFrame(seen))
      }
      const before = opened().length
      expect(await rejection(remote().echo('a'))).to.include({ code: 'ERR_STREAM_RESET' })
      expect(opened().length - before).to.equal(seen === 1 ? 1 : 4)
    }
  })

  it('end in the error of the other side when it refuses them', async () => {
    await pair.stop()
    pair = await makePair({ caller: { laneAfterCalls: 0 }, server: { maxConcurrentCalls: 1 } })
    pair.server.rpc.register(methods)
    const slow = remote().later(10)
    await pair.clock.advance(1)
    expect(await rejection(remote().echo(1))).to.include({ rpcCode: RpcCode.BUSY })
    expect(await pair.clock.until(slow)).to.equal(10)
    expect(await remote().echo(1)).to.equal(1)
  })

  it('refuse a call, not the lane, for JSON that is none and methods that are not', async () => {
    pair.server.rpc.register({ items: server<null, number>(() => [1]) })
    const stream = await laneByHand(
      messageOnLane(1, '{"jsonrpc":'),
      messageOnLane(2, '[]'),
      request(3, 'nobody', '1'),
      request(5, 'items', '1'),
      request(9, 'echo', '"still here"')
    )
    const answers = read(stream).map(({ call, text }) => [call, JSON.parse(text)] as const)
    const outcomes = answers.map(
      ([call, { error, result }]: readonly [number, { error?: { code: number }; result?: unknown }]) => [
        call,
        error?.code ?? result
      ]
    )
    expect(outcomes).to.deep.equal([
      [1, RpcCode.PARSE_ERROR],
      [2, RpcCode.INVALID_REQUEST],
      [3, RpcCode.METHOD_NOT_FOUND],
      [5, RpcCode.INVALID_REQUEST],
      [9, 'still here']
    ])
    stream.end(endFrame(9))
    await pair.clock.advance(0)
    stream.stop(CloseCode.OK)
    await nothingLeft()
  })

  it('end, alone, when what comes is malformed, with one error for all their calls', async () => {
    const other = remote().later(50)
    const malformed: Uint8Array[] = [
      Uint8Array.of(0, 0, 99, 0, 0, 0, 2),
      Uint8Array.of(0xff, 0xff, 1, 0, 0, 0, 2),
      request(1, 'echo', '1'),
      Uint8Array.of(0, 1, LaneType.CANCEL, 0, 0, 0, 9, 8),
      Uint8Array.of(0, 0, LaneType.CANCEL, 0, 0, 0, 1)
    ]
    for (const frame of malformed) {
      contexts = []
      const stream = await laneByHand(request(1, 'hang', '1'), frame)
      const frames = read(stream)
      expect(frames).to.have.length(1)
      expect(frames[0]).to.include({ type: LaneType.MESSAGE, call: 0 })
      expect(frames[0]!.text).to.include(String(RpcCode.INVALID_REQUEST))
      expect(contexts[0]!.signal.aborted).to.equal(true)
      expect(() => stream.write(Uint8Array.of(1)))
        .to.throw()
        .with.property('streamCode', CloseCode.PROTOCOL)
    }
    expect(await pair.clock.until(other)).to.equal(50)
  })

  it('take any bytes from a caller, and harm no other', async () => {
    const start = fc.constantFrom(new Uint8Array(), request(1, 'echo', '1'), request(1, 'later', '5'))
    await fc.assert(
      fc.asyncProperty(start, fc.uint8Array({ maxLength: 60 }), async (prefix, bytes) => {
        const stream = pair.caller.connection.tryOpen()
        stream.end(Buffer.concat([beginLane, prefix, bytes]))
        await pair.clock.advance(10)
        for (let chunk = stream.read(); chunk instanceof Uint8Array; chunk = stream.read());
        expect(await remote().echo(1)).to.equal(1)
        await nothingLeft()
      }),
      { numRuns: 200 }
    )
  })

  it('end all their calls in one typed error when what comes back is malformed, whatever the bytes', async () => {
    const { connection } = pair.server
    const start = fc.constantFrom(new Uint8Array(), beginLane, Buffer.concat([beginLane, messageOnLane(9, '1')]))
    await fc.assert(
      fc.asyncProperty(start, fc.uint8Array({ maxLength: 40 }), async (prefix, bytes) => {
        connection.onStream = (stream) => stream.end(Buffer.concat([prefix, bytes]))
        const errors = await Promise.all([rejection(remote().echo(1)), rejection(remote().echo(2))])
        // Where nothing of it is wrong but that it ends, the end stands for a reset.
        expect(errors[0]).to.have.property('code').that.is.oneOf(['ERR_RPC_PROTOCOL', 'ERR_STREAM_RESET'])
        expect(errors[1]).to.equal(errors[0])
        expect(opened().at(-1)!.codes.stop).to.be.oneOf([CloseCode.PROTOCOL, CloseCode.CANCELLED])
        for (const open of connection.streams) open.stop(0)
        await nothingLeft()
      }),
      { numRuns: 200 }
    )
  })

  it('keep what came early until it is sure to be no recording, but for what may be one', async () => {
    const { connection } = pair.server
    for (const isConfirmed of [true, false]) {
      const ran: string[] = []
      const back = pair.server.rpc.register({
        pay: unary(() => ran.push('pay')),
        read: unary(() => ran.push('read'), { idempotent: true })
      })
      let confirm!: (isConfirmed: boolean) => void
      connection.early = true
      connection.confirmed = () => new Promise((resolve) => (confirm = resolve))
      const client = pair.caller.rpc.client(pair.caller.connection, { pay: unary(), read: unary() })
      const pay = client.pay(null, { timer: 100 }).catch((error: unknown) => error)
      await client.read(null)
      expect(ran).to.deep.equal(['read'])
      connection.early = false
      confirm(isConfirmed)
      if (isConfirmed) expect(await pay).to.equal(2)
      else expect(await pair.clock.until(pay)).to.have.property('code', 'ERR_RPC_TIMEOUT')
      expect(ran).to.deep.equal(isConfirmed ? ['read', 'pay'] : ['read'])
      back()
    }
    await nothingLeft()
  })

  it('leave streams alone that answer nothing', async () => {
    await remote().echo(1)
    const lane = opened().at(-1)!.id
    for (const frames of [
      answerFrames(lane, 1, '{"jsonrpc":"2.0","id":1,"result":1}', undefined),
      answerFrames(lane + 400, 1, '{}', undefined),
      answerFrames(lane, 77, '{}', undefined).subarray(0, 12)
    ]) {
      const stream = pair.server.connection.tryOpen()
      stream.end(frames)
      await pair.clock.advance(0)
      expect(await remote().echo(2)).to.equal(2)
      stream.stop(0)
    }
    await nothingLeft()
  })

  it('end every call once, with the right answer or the right error, whatever is cancelled meanwhile', async () => {
    const step = fc.record({
      value: fc.nat(1_000),
      size: fc.constantFrom(0, 10, 5_000),
      ms: fc.nat(20),
      how: fc.constantFrom('answer', 'fail', 'cancel', 'time out'),
      after: fc.nat(5)
    })
    const mixed = {
      mixed: unary(async ({ value, size, ms, how }: { value: number; size: number; ms: number; how: string }) => {
        await sleep(pair.clock, how === 'answer' || how === 'fail' ? ms : 60_000)
        if (how === 'fail') throw new RpcError(value, 'as asked', { data: 'x'.repeat(size) })
        return { value, text: 'x'.repeat(size) }
      })
    }
    pair.server.rpc.register(mixed)
    const client = pair.caller.rpc.client(pair.caller.connection, mixed)
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 30 }), async (steps, size) => {
        for (const { connection } of [pair.caller, pair.server]) {
          connection.cut = (chunk) => {
            const pieces: Uint8Array[] = []
            for (let at = 0; at < chunk.length; at += size) pieces.push(chunk.subarray(at, at + size))
            return pieces
          }
        }
        const outcomes: Promise<unknown>[] = []
        for (const { after, ...input } of steps) {
          const controller = new AbortController()
          const timer = input.how === 'time out' ? input.ms + 1 : 30_000
          outcomes.push(client.mixed(input, { signal: controller.signal, timer }).catch((error: unknown) => error))
          if (input.how === 'cancel') pair.clock.setTimeout(() => controller.abort(), input.ms)
          await pair.clock.advance(after)
        }
        const all = await pair.clock.until(Promise.all(outcomes))
        for (const [i, { value, size, how }] of steps.entries()) {
          const outcome = all[i]
          if (how === 'answer') expect(outcome).to.deep.equal({ value, text: 'x'.repeat(size) })
          else if (how === 'fail') expect(outcome).to.include({ rpcCode: value, data: 'x'.repeat(size) })
          else expect(outcome).to.have.property('code', how === 'cancel' ? 'ERR_ABORTED' : 'ERR_RPC_TIMEOUT')
        }
        // Handlers that do not look at their signal go on for a minute.
        await pair.clock.advance(60_000)
        await nothingLeft()
      }),
      { numRuns: 60 }
    )
  }).timeout(20_000)
})
