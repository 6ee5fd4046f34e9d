import { expect } from 'chai'
import fc from 'fast-check'
import { CloseCode } from '#src/kernel/index.js'
import { UNINVITED_GRACE_MS } from '#src/plugins/connection-pool/room.js'
import { Usage } from '#src/plugins/connection-pool/usage.js'
import { contact, larger, smaller, startPool, SWEEP } from './doubles.js'

const IDLE_MS = 80_000
const LOOK_MS = 10_000

describe('a connection that nobody uses', () => {
  it('is closed by the side that dialled it, and later by the other one', async () => {
    const { clock, transport, pool, arrive, stop } = await startPool({ idleMs: IDLE_MS })
    transport.plans.set('192.0.2.1', { ms: 0 })
    const own = await clock.until(pool.dial(contact(larger, '192.0.2.1')))
    const inbound = arrive(smaller)
    await clock.advance(IDLE_MS - 1)
    expect(own.closeInfo).to.equal(undefined)
    await clock.advance(LOOK_MS)
    expect(own.closeInfo).to.include({ code: CloseCode.IDLE, by: 'us' })
    await clock.advance(UNINVITED_GRACE_MS - LOOK_MS - 1)
    expect(inbound.closeInfo).to.equal(undefined)
    await clock.advance(2 * LOOK_MS)
    expect(inbound.closeInfo).to.include({ code: CloseCode.IDLE })
    expect(pool.stats()).to.deep.include({ peers: 0, uninvited: 0 })
    expect(pool.stats().closed.idle).to.equal(2)
    expect(clock.pending).to.equal(0)
    await stop()
  })

  it('is one with no stream open, nor opened or a message sent by either side since it was looked at', async () => {
    const { clock, arrive, stop } = await startPool({ idleMs: IDLE_MS })
    const connection = arrive(larger)
    const after = IDLE_MS + UNINVITED_GRACE_MS
    connection.streams = 1
    await clock.advance(10 * after)
    connection.streams = 0
    await clock.advance(after - LOOK_MS)
    connection.acceptedStreams++
    await clock.advance(after - LOOK_MS)
    connection.openedStreams++
    await clock.advance(after - LOOK_MS)
    connection.receivedMessages++
    await clock.advance(after - LOOK_MS)
    connection.sentMessages++
    await clock.advance(after - LOOK_MS)
    expect(connection.closeInfo).to.equal(undefined)
    await clock.advance(2 * LOOK_MS)
    expect(connection.closeInfo).to.include({ code: CloseCode.IDLE })
    await stop()
  })

  it('is not one that has come into use when its time is up', async () => {
    const { clock, arrive, stop } = await startPool({ idleMs: IDLE_MS })
    const connection = arrive(larger)
    await clock.advance(IDLE_MS + UNINVITED_GRACE_MS - 1)
    connection.ownStreams = 1
    await clock.advance(LOOK_MS)
    expect(connection.closeInfo).to.equal(undefined)
    await stop()
  })

  it('is not closed while another one to the same peer is still being drained', async () => {
    const { clock, transport, pool, arrive, stop } = await startPool({ idleMs: 1_000, drainMs: 10_000 })
    transport.plans.set('192.0.2.1', { ms: 0 })
    const own = await clock.until(pool.dial(contact(larger, '192.0.2.1')))
    const loser = arrive(larger)
    loser.streams = 1
    await clock.advance(9_000)
    expect([own.closeInfo, loser.closeInfo]).to.deep.equal([undefined, undefined])
    await clock.advance(2_000)
    expect([own.closeInfo?.code, loser.closeInfo?.code]).to.deep.equal([CloseCode.IDLE, CloseCode.DUPLICATE])
    await stop()
  })

  it('has its time counted anew when another one takes its place', async () => {
    const { clock, pool, arrive, stop } = await startPool({ idleMs: IDLE_MS })
    const first = arrive(larger)
    first.acceptedStreams = 100
    await clock.advance(IDLE_MS + LOOK_MS / 2)
    const second = arrive(larger)
    // Fewer than on the first, but use all the same.
    second.acceptedStreams = 1
    await clock.advance(IDLE_MS)
    expect(pool.get(larger)).to.equal(second)
    expect(clock.pending).to.equal(SWEEP)
    await stop()
  })

  it('is found by looking now and then, never too early and at most one look late', () => {
    const use = fc
      .record({ at: fc.nat(100_000), ours: fc.boolean(), forMs: fc.nat(5_000), message: fc.boolean() })
      .map((each) => (each.message ? { ...each, forMs: 0 } : each))
    fc.assert(
      fc.property(fc.array(use, { maxLength: 20 }), fc.integer({ min: 100, max: 20_000 }), (uses, periodMs) => {
        const usage = new Usage(0)
        const until = (now: number) => uses.filter(({ at }) => at <= now)
        for (let now = 0; now <= 120_000; now += periodMs) {
          const begun = until(now)
          const open = begun.filter(({ at, forMs }) => at + forMs > now)
          usage.look(
            {
              streams: open.length,
              ownStreams: open.filter(({ ours }) => ours).length,
              openedStreams: begun.filter(({ ours, message }) => ours && !message).length,
              acceptedStreams: begun.filter(({ ours, message }) => !ours && !message).length,
              sentMessages: begun.filter(({ ours, message }) => ours && message).length,
              receivedMessages: begun.filter(({ ours, message }) => !ours && message).length
            },
            now
          )
          const lastUse = Math.max(0, ...begun.map(({ at, forMs }) => Math.min(at + forMs, now)))
          expect(usage.usedAt)
            .to.be.at.least(lastUse - periodMs)
            .and.at.most(Math.max(lastUse + periodMs, 0))
          const own = begun.filter(({ ours }) => ours)
          expect(usage.ownUseAt === -Infinity).to.equal(own.length === 0)
        }
      })
    )
  })
})
