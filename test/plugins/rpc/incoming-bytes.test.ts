import { expect } from 'chai'
import { CloseCode, RpcCode, RpcError, unary } from '#src/kernel/index.js'
import { ByteBudget } from '#src/plugins/rpc/byte-budget.js'
import { FrameReader, FrameType, textFrame } from '#src/plugins/rpc/frames.js'
import type { StreamDouble } from './double.js'
import { makePair, rejection, WAYS, type Pair } from './harness.js'

const MAX_BYTES = 10_000

describe('rpc: unfinished messages', () => {
  let pair: Pair
  const methods = { measure: unary((text: string) => text.length), repeat: unary((times: number) => 'x'.repeat(times)) }
  const remote = () => pair.caller.rpc.client(pair.caller.connection, methods)

  const request = textFrame(
    FrameType.MESSAGE,
    JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'measure', params: 'x'.repeat(6_000) }),
    true
  )

  /** A call of which all but the last bytes have arrived. */
  async function unfinished(): Promise<StreamDouble> {
    const stream = pair.caller.connection.tryOpen()
    stream.write(request.subarray(0, -10))
    await pair.clock.advance(0)
    return stream
  }

  const answerOn = (stream: StreamDouble): string => Buffer.from(stream.read() ?? []).toString()

  beforeEach(async () => {
    pair = await makePair({ caller: { maxIncomingBytes: MAX_BYTES }, server: { maxIncomingBytes: MAX_BYTES } })
    pair.server.rpc.register(methods)
  })

  afterEach(() => pair.stop())

  it('of one connection share their bytes: who goes beyond gets BUSY and is stopped', async () => {
    const first = await unfinished()
    const second = await unfinished()
    expect(answerOn(second)).to.include(String(RpcCode.BUSY))
    expect(() => second.write(Uint8Array.of(1)))
      .to.throw()
      .with.property('streamCode', CloseCode.LIMIT)
    expect(await remote().measure('short')).to.equal(5)
    first.end(request.subarray(-10))
    await pair.clock.advance(0)
    expect(answerOn(first)).to.include('"result":6000')
    const third = await unfinished()
    expect(third.read()).to.equal(undefined)
  })

  it('give their bytes back when their call is given up', async () => {
    for (let i = 0; i < 3; i++) {
      const stream = await unfinished()
      expect(stream.read()).to.equal(undefined)
      stream.reset(CloseCode.CANCELLED)
      stream.stop(CloseCode.CANCELLED)
      await pair.clock.advance(0)
    }
  })

  for (const [way, options] of WAYS) {
    it(`bound answers, too (${way})`, async () => {
      await pair.stop()
      pair = await makePair({ caller: { ...options, maxIncomingBytes: MAX_BYTES } })
      pair.server.rpc.register(methods)
      pair.server.connection.cut = (chunk) =>
        Array.from({ length: Math.ceil(chunk.length / 1_000) }, (_, i) => chunk.subarray(i * 1_000, (i + 1) * 1_000))
      for (let i = 0; i < 3; i++) {
        expect(await remote().repeat(5_000)).to.have.length(5_000)
        expect(await rejection(remote().repeat(20_000))).to.include({ rpcCode: RpcCode.BUSY })
        if (way === 'on streams of their own') {
          expect(pair.caller.connection.opened.at(-1)!.codes.stop).to.equal(CloseCode.LIMIT)
        }
      }
      await pair.settle()
      expect(pair.caller.connection.streams.size).to.equal(0)
      expect(pair.server.connection.streams.size).to.equal(0)
    })
  }

  it('count for more than their bytes in small pieces', () => {
    const budget = new ByteBudget(MAX_BYTES)
    const reader = new FrameReader(MAX_BYTES, budget)
    const byteByByte = (): void => {
      for (const byte of request) {
        reader.push(Uint8Array.of(byte))
        reader.next()
      }
    }
    expect(byteByByte).to.throw(RpcError).with.property('rpcCode', RpcCode.BUSY)
    expect(budget.held).to.be.within(MAX_BYTES - 200, MAX_BYTES)
    reader.drop()
    expect(budget.held).to.equal(0)
  })
})
