import assert from 'node:assert/strict'
import { CloseCode, readChunk, type Stream } from '../../kernel/index.js'
import { failsWith } from './fails-with.js'
import { nextStream, openStream, outcome, pattern, readAll, type SuiteContext } from './transport.js'
import { until } from './until.js'

/** More than can be under way at once. */
const LARGE_BYTES = 300_000

/** The end of a connection that is to lose nothing, at a stop or by itself. */
export function drainTests({ maxStreams, connectedTest }: SuiteContext): void {
  for (const side of ['dialling', 'accepting'] as const) {
    connectedTest(`delivers what was written and ended before the ${side} side stops`, async (pair) => {
      const [end, near, far] =
        side === 'dialling' ? [pair.a, pair.outbound, pair.inbound] : [pair.b, pair.inbound, pair.outbound]
      const received = nextStream(far).then(async (stream) => {
        const bytes = await readAll(stream)
        stream.end()
        return bytes
      })
      const stream = await near.open()
      const data = pattern(LARGE_BYTES)
      stream.end(data)
      const answer = readAll(stream)
      await end.stop()
      assert.equal((await answer).length, 0)
      assert.equal(Buffer.compare(await received, data), 0)
      assert.deepEqual(outcome(await far.closed), {
        code: CloseCode.SHUTDOWN,
        reason: (await near.closed).reason,
        by: 'peer'
      })
    })
  }

  connectedTest(
    'lets a stream that is nearly done finish before its plugin stops',
    async ({ a, outbound, inbound }) => {
      const request = nextStream(inbound)
      const stream = await outbound.open()
      stream.end(Uint8Array.of(1))
      const answered = readAll(stream)
      const asked = await request
      assert.equal((await readAll(asked)).length, 1)
      const stopped = a.stop()
      for (let turns = 0; turns < 10; turns++) await new Promise((resolve) => setImmediate(resolve))
      asked.end(pattern(100_000))
      assert.equal((await answered).length, 100_000)
      await stopped
    }
  )

  connectedTest('gives further streams up while it is drained, on both sides', async (pair) => {
    const { outbound, inbound } = pair
    const streams: Stream[] = []
    outbound.onStream = (stream) => void streams.push(stream)
    const { near, far } = await openStream(pair)
    const taken = Array.from({ length: maxStreams - 1 }, () => outbound.tryOpen())
    assert.ok(taken.every((stream) => stream !== undefined))
    const waiting = outbound.open()
    near.end()
    const drained = outbound.drain(CloseCode.SHUTDOWN, 'enough')
    await assert.rejects(waiting, failsWith('ERR_CONNECTION_CLOSED'))
    await assert.rejects(outbound.open(), failsWith('ERR_CONNECTION_CLOSED'))
    assert.throws(() => outbound.tryOpen(), failsWith('ERR_CONNECTION_CLOSED'))
    const refused = await inbound.open()
    refused.write(Uint8Array.of(1))
    await assert.rejects(readChunk(refused), failsWith('ERR_STREAM_RESET', { streamCode: CloseCode.SHUTDOWN }))
    assert.equal(outbound.closeInfo, undefined)
    assert.deepEqual([...(await readAll(far))], [1])
    far.end(Uint8Array.of(2))
    assert.deepEqual([...(await readAll(near))], [2])
    assert.deepEqual(outcome(await drained), { code: CloseCode.SHUTDOWN, reason: 'enough', by: 'us' })
    assert.deepEqual(outcome(await inbound.closed), { code: CloseCode.SHUTDOWN, reason: 'enough', by: 'peer' })
    assert.equal(streams.length, 0)
  })

  connectedTest('gives the streams up that nobody has taken when it is drained', async ({ outbound, inbound }) => {
    const stream = await outbound.open()
    stream.write(Uint8Array.of(1))
    await until(() => inbound.stats().streams > 0)
    const refused = readChunk(stream)
    const drained = inbound.drain(CloseCode.SHUTDOWN)
    await assert.rejects(refused, failsWith('ERR_STREAM_RESET', { streamCode: CloseCode.SHUTDOWN }))
    await drained
  })

  connectedTest('is drained in a bounded time, whatever does not end', async (pair) => {
    const { near } = await openStream(pair)
    near.end()
    const first = pair.outbound.drain(0x1234, 'that is all')
    const second = pair.outbound.drain(0x9999, 'a second time changes nothing')
    assert.deepEqual(outcome(await first), { code: 0x1234, reason: 'that is all', by: 'us' })
    assert.equal(await second, await first)
    assert.throws(() => near.read(), failsWith('ERR_CONNECTION_CLOSED'))
  })

  connectedTest('is drained when it has ended already, and can be closed meanwhile', async (pair) => {
    const { near } = await openStream(pair)
    near.end()
    const drained = pair.outbound.drain()
    pair.outbound.close(0x1001)
    assert.equal((await drained).code, 0x1001)
    await pair.inbound.closed
    assert.equal((await pair.inbound.drain()).by, 'peer')
  })
}
