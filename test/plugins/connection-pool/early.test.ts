import { expect } from 'chai'
import type { Connection, DialStep } from '#src/kernel/index.js'
import { contact, FakeConnection, larger, self, smaller, startPool } from './doubles.js'

const types = (steps: readonly DialStep[]): string[] => steps.map(({ type }) => type)

describe('an early connection in the pool', () => {
  it('is given to those who ask for it, and has no place until it is confirmed', async () => {
    const { clock, transport, pool, stop } = await startPool()
    transport.plans.set('192.0.2.1', { ms: 50, early: true })
    const bold: DialStep[] = []
    const careful: DialStep[] = []
    const late: DialStep[] = []
    const to = contact(larger, '192.0.2.1')
    pool.dial$(to, { early: true }).subscribe((step) => bold.push(step))
    pool.dial$(to).subscribe((step) => careful.push(step))
    const early = await clock.until(pool.dial(to, { early: true }))
    expect(early.early).to.equal(true)
    expect([pool.get(larger), [...pool.connections]]).to.deep.equal([undefined, []])
    await clock.advance(10)
    pool.dial$(to, { early: true }).subscribe((step) => late.push(step))
    await clock.advance(40)
    expect(types(bold)).to.deep.equal(['dialing', 'early', 'connected'])
    expect(types(late)).to.deep.equal(['dialing', 'early', 'connected'])
    expect(types(careful)).to.deep.equal(['dialing', 'connected'])
    expect(pool.get(larger)).to.equal(early)
    expect(transport.made).to.have.length(1)
    await stop()
  })

  it('is not asked for by a race that was begun without, whoever joins', async () => {
    const { clock, transport, pool, stop } = await startPool()
    transport.plans.set('192.0.2.1', { ms: 50, early: true })
    const careful = pool.dial(contact(larger, '192.0.2.1'))
    const steps: DialStep[] = []
    pool.dial$(contact(larger, '192.0.2.1'), { early: true }).subscribe((step) => steps.push(step))
    await clock.until(careful)
    expect(types(steps)).to.deep.equal(['dialing', 'connected'])
    await stop()
  })

  it('does not end the race: another address may win', async () => {
    const { clock, transport, pool, stop } = await startPool()
    transport.plans.set('192.0.2.1', { ms: 60_000, early: true })
    transport.plans.set('192.0.2.2', { ms: 50 })
    const steps: DialStep[] = []
    pool.dial$(contact(larger, '192.0.2.1', '192.0.2.2'), { early: true }).subscribe((step) => steps.push(step))
    await clock.advance(1_000)
    expect(types(steps)).to.deep.equal(['dialing', 'early', 'dialing', 'connected'])
    expect(pool.get(larger)?.remote.host).to.equal('192.0.2.2')
    // Whoever aborts a dial ends its early connection.
    expect(transport.log).to.include('!192.0.2.1@300')
    await stop()
  })

  it('of a peer is shown to those who take such, and displaces nothing', async () => {
    const { clock, transport, pool, arrive, stop } = await startPool()
    const early: Connection[] = []
    const confirmed: Connection[] = []
    const off = pool.onEarly((connection) => early.push(connection))
    pool.onConnection((connection) => confirmed.push(connection))
    const live = arrive(smaller).asConnection
    const recording = new FakeConnection(smaller, 'inbound', clock)
    transport.onEarly?.(recording.asConnection)
    transport.onEarly?.(new FakeConnection(self, 'inbound', clock).asConnection)
    expect(early).to.deep.equal([recording])
    expect(confirmed).to.deep.equal([live])
    expect(pool.get(smaller)).to.equal(live)
    recording.close()
    await clock.advance(1_000)
    expect(pool.get(smaller)).to.equal(live)
    off()
    transport.onEarly?.(new FakeConnection(larger, 'inbound', clock).asConnection)
    expect(early).to.have.length(1)
    await stop()
  })
})
