import { expect } from 'chai'
import { CloseCode } from '#src/kernel/index.js'
import { contact, larger, startPool } from './doubles.js'

const IDLE_MS = 80_000
const LOOK_MS = 10_000
const MINUTE = 60_000

describe('a worn connection', () => {
  it('is replaced by another one, and its streams have as long as they last', async () => {
    const { clock, transport, pool, stop } = await startPool({ idleMs: IDLE_MS, drainMs: 1_000 })
    transport.plans.set('192.0.2.1', { ms: 20 })
    await clock.until(pool.dial(contact(larger, '192.0.2.1')))
    const old = transport.made[0]!
    old.ownStreams = 1
    await clock.advance(MINUTE)
    expect(transport.made).to.have.length(1)
    old.worn = true
    await clock.advance(LOOK_MS + 20)
    const fresh = transport.made[1]!
    expect(pool.get(larger)).to.equal(fresh)
    fresh.ownStreams = 1
    await clock.advance(10 * MINUTE)
    expect(old.closeInfo).to.equal(undefined)
    old.ownStreams = 0
    await clock.advance(1_000)
    expect(old.closeInfo).to.include({ code: CloseCode.DUPLICATE })
    expect([fresh.closeInfo, transport.made.length]).to.deep.equal([undefined, 2])
    await stop()
  })

  it('is drained with patience by the side that was dialled, too', async () => {
    const { clock, arrive, pool, stop } = await startPool({ idleMs: IDLE_MS, drainMs: 1_000 })
    const old = arrive(larger)
    old.streams = 1
    await clock.advance(MINUTE)
    const fresh = arrive(larger)
    fresh.streams = 1
    expect(pool.get(larger)).to.equal(fresh)
    await clock.advance(10 * MINUTE)
    expect(old.closeInfo).to.equal(undefined)
    await stop()
  })

  it('is kept while nothing answers in its place, and tried again', async () => {
    const { clock, transport, pool, stop } = await startPool({ idleMs: IDLE_MS })
    transport.plans.set('192.0.2.1', { ms: 0 })
    await clock.until(pool.dial(contact(larger, '192.0.2.1')))
    const old = transport.made[0]!
    old.ownStreams = 1
    old.worn = true
    transport.plans.set('192.0.2.1', { ms: 5, fails: 'ERR_DIAL' })
    await clock.advance(3 * LOOK_MS)
    expect(pool.get(larger)).to.equal(old)
    expect(transport.log.filter((line) => !line.startsWith('!'))).to.have.length(4)
    await stop()
  })

  it('is left to the side that has dialled it', async () => {
    const { clock, transport, arrive, stop } = await startPool({ idleMs: IDLE_MS })
    const old = arrive(larger)
    old.streams = 1
    old.worn = true
    await clock.advance(MINUTE)
    expect(transport.log).to.deep.equal([])
    await stop()
  })
})
