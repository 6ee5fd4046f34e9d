import { expect } from 'chai'
import { CloseCode, RpcCode, server, unary } from '#src/kernel/index.js'
import { FRAME_HEADER_BYTES, frameHeader, FrameType, textFrame } from '#src/plugins/rpc/frames.js'
import type { StreamDouble } from './double.js'
import { makePair, rejection, type Pair } from './harness.js'

const LIMITS = {
  maxMessageBytes: 10_000,
  maxIncomingBytes: 50_000,
  maxJsonDepth: 10,
  maxConcurrentCalls: 20,
  defaultTimeoutMs: 1_000
}

function request(method: string, params: string): Uint8Array {
  return textFrame(FrameType.MESSAGE, `{"jsonrpc":"2.0","id":1,"method":"${method}","params":${params}}`, true)
}

describe('rpc: a hostile peer', () => {
  let pair: Pair
  let run: number

  beforeEach(async () => {
    run = 0
    pair = await makePair({ server: LIMITS, caller: { maxLanes: 0 } })
    pair.server.rpc.register({
      echo: unary((input) => {
        run++
        return input
      })
    })
  })

  afterEach(() => pair.stop())

  const open = (...bytes: Uint8Array[]): StreamDouble => {
    const stream = pair.caller.connection.tryOpen()
    for (const each of bytes) stream.write(each)
    return stream
  }
  const codeOn = (stream: StreamDouble): unknown => {
    const chunk = stream.read()
    if (chunk === undefined || chunk === null) return undefined
    return (JSON.parse(Buffer.from(chunk.subarray(FRAME_HEADER_BYTES)).toString()) as { error?: { code: number } })
      .error?.code
  }
  const refusedWith = (stream: StreamDouble, streamCode: number): void => {
    expect(() => stream.write(Uint8Array.of(0)))
      .to.throw()
      .with.property('streamCode', streamCode)
  }

  /** Nothing is left of what it did, and others are served. */
  const unharmed = async (): Promise<void> => {
    await pair.clock.advance(1_000)
    expect(pair.server.connection.streams.size).to.equal(0)
    const { echo } = pair.caller.rpc.client(pair.caller.connection, { echo: unary() })
    expect(await echo(7)).to.equal(7)
    await pair.settle()
    expect(pair.clock.pending).to.equal(0)
  }

  it('that announces a message that is too long is refused before it has sent it', async () => {
    const stream = open(frameHeader(FrameType.MESSAGE, LIMITS.maxMessageBytes + 1, true))
    await pair.clock.advance(0)
    expect(codeOn(stream)).to.equal(RpcCode.INVALID_REQUEST)
    refusedWith(stream, CloseCode.PROTOCOL)
    await unharmed()
  })

  it('that nests too deep is refused before anything is built from it', async () => {
    const deep = open(request('echo', '['.repeat(LIMITS.maxJsonDepth) + ']'.repeat(LIMITS.maxJsonDepth)))
    const unclosed = open(request('echo', '['.repeat(9_000)))
    await pair.clock.advance(0)
    expect([codeOn(deep), codeOn(unclosed)]).to.deep.equal([RpcCode.PARSE_ERROR, RpcCode.PARSE_ERROR])
    expect(run).to.equal(0)
    await unharmed()
  })

  it('that makes too many calls is told BUSY for those beyond, unread', async () => {
    const streams = Array.from({ length: 200 }, () => open(Uint8Array.of(0)))
    await pair.clock.advance(0)
    const codes = streams.map(codeOn)
    expect(codes.filter((code) => code === undefined)).to.have.length(LIMITS.maxConcurrentCalls)
    expect(codes.filter((code) => code === RpcCode.BUSY)).to.have.length(200 - LIMITS.maxConcurrentCalls)
    refusedWith(streams.at(-1)!, CloseCode.LIMIT)
    await unharmed()
  })

  it('that sends its requests slowly holds bounded memory, until the deadline', async () => {
    const whole = request('echo', JSON.stringify('x'.repeat(8_000)))
    const streams = Array.from({ length: LIMITS.maxConcurrentCalls }, () => open())
    let sent = 0
    const held = new Set(streams)
    for (let at = 0; at < whole.length - 1; at += 1_000) {
      for (const stream of held) {
        const piece = whole.subarray(at, Math.min(at + 1_000, whole.length - 1))
        try {
          stream.write(piece)
          sent += piece.length
        } catch {
          held.delete(stream)
        }
      }
      await pair.clock.advance(50)
      const unread = [...pair.server.connection.streams].reduce((sum, { unread }) => sum + unread, 0)
      const ofHeld = held.size * Math.min(at + 1_000, whole.length - 1)
      expect(ofHeld - unread).to.be.at.most(LIMITS.maxIncomingBytes + 1_000 * streams.length)
    }
    expect(sent).to.be.above(LIMITS.maxIncomingBytes)
    expect(held.size).to.be.below(streams.length)
    await pair.clock.advance(1_000)
    const codes = streams.map(codeOn)
    expect(codes).to.include(RpcCode.BUSY).and.to.include(RpcCode.TIMEOUT)
    expect(run).to.equal(0)
    await unharmed()
  })

  it('that never reads gets no more than fits, until the deadline', async () => {
    let given = 0
    let left = 0
    pair.server.rpc.register({
      endless: server(function* () {
        try {
          for (;;) {
            given++
            yield 'x'.repeat(5_000)
          }
        } finally {
          left++
        }
      })
    })
    const streams = Array.from({ length: 10 }, () => open(request('endless', 'null')))
    await pair.clock.advance(500)
    const before = given
    expect(before * 5_000).to.be.below(10 * 1024 * 1024)
    await pair.clock.advance(499)
    expect(given).to.equal(before)
    await pair.clock.advance(1)
    expect(left).to.equal(10)
    for (const stream of streams) stream.stop(CloseCode.CANCELLED)
    await unharmed()
  })

  it('that calls and cancels runs no more handlers than it may', async () => {
    pair.server.rpc.register({
      stuck: unary(
        () => {
          run++
          return new Promise(() => undefined)
        },
        { limits: { concurrentPerPeer: 3 } }
      )
    })
    const { stuck } = pair.caller.rpc.client(pair.caller.connection, { stuck: unary() })
    for (let i = 0; i < 50; i++) {
      const controller = new AbortController()
      const call = rejection(stuck(null, { signal: controller.signal }))
      await pair.clock.advance(1)
      controller.abort()
      await call
    }
    expect(run).to.equal(3)
  })
})
