import { expect } from 'chai'
import { CloseCode, type Connection, type PeerChange } from '#src/kernel/index.js'
import { SIMULTANEOUS_MS } from '#src/plugins/connection-pool/arbiter.js'
import { DRAIN_GRACE_MS } from '#src/plugins/connection-pool/drain.js'
import { MAX_DRAINING } from '#src/plugins/connection-pool/roster.js'
import { contact, larger, nodeId, self, smaller, startPool, SWEEP } from './doubles.js'

const ended = { code: 0, reason: '', by: 'peer', transport: false } as const

describe('one connection a peer', () => {
  it('keeps our own if this node id is the smaller, and drains that of the peer', async () => {
    const { clock, transport, pool, arrive, stop } = await startPool()
    transport.plans.set('192.0.2.1', { ms: 10 })
    const handed: Connection[] = []
    pool.onConnection((connection) => handed.push(connection))
    const own = await clock.until(pool.dial(contact(larger, '192.0.2.1')))
    const inbound = arrive(larger)
    expect(pool.get(larger)).to.equal(own)
    expect(handed, 'the loser brings its streams too').to.deep.equal([own, inbound])
    await clock.advance(DRAIN_GRACE_MS - 1)
    expect(inbound.closeInfo).to.equal(undefined)
    await clock.advance(1)
    expect(inbound.closeInfo).to.include({ code: CloseCode.DUPLICATE })
    expect([...pool.connections]).to.deep.equal([own])
    expect(clock.pending).to.equal(SWEEP)
    await stop()
  })

  it('keeps that of the peer if its node id is the smaller, and lets open streams finish on ours', async () => {
    const { clock, transport, pool, arrive, stop } = await startPool()
    transport.plans.set('192.0.2.1', { ms: 10 })
    await clock.until(pool.dial(contact(smaller, '192.0.2.1')))
    const own = transport.made[0]!
    own.streams = 1
    const inbound = arrive(smaller)
    expect(pool.get(smaller)).to.equal(inbound)
    await clock.advance(5_000)
    expect(own.closeInfo).to.equal(undefined)
    own.streams = 0
    await clock.advance(250)
    expect(own.closeInfo).to.include({ code: CloseCode.DUPLICATE })
    await stop()
  })

  it('drains no longer than it may', async () => {
    const { clock, pool, arrive, stop } = await startPool({ drainMs: 4_100 })
    const old = arrive(larger)
    old.streams = 1
    const young = arrive(larger)
    await clock.advance(4_099)
    expect(old.closeInfo).to.equal(undefined)
    await clock.advance(1)
    expect(old.closeInfo).to.include({ code: CloseCode.DUPLICATE })
    expect(pool.get(larger)).to.equal(young)
    await stop()
  })

  it('takes the newer of a peer that has restarted, whichever side had dialled', async () => {
    const { clock, transport, pool, arrive, stop } = await startPool()
    const dead = arrive(larger)
    const again = arrive(larger)
    expect(pool.get(larger)).to.equal(again)
    await clock.advance(10_000)
    expect(dead.closeInfo).to.include({ code: CloseCode.DUPLICATE })
    again.end(ended)
    await clock.advance(0)
    expect(pool.get(larger)).to.equal(undefined)

    transport.plans.set('192.0.2.1', { ms: 10 })
    await clock.until(pool.dial(contact(larger, '192.0.2.1')))
    await clock.advance(SIMULTANEOUS_MS + 1)
    const restarted = arrive(larger)
    expect(pool.get(larger)).to.equal(restarted)
    await stop()
  })

  it('goes back to the one that drains when the other is given up by the peer', async () => {
    const { clock, pool, arrive, stop } = await startPool()
    const changes: PeerChange[] = []
    pool.peers$.subscribe((change) => changes.push(change))
    const first = arrive(larger)
    const second = arrive(larger)
    second.end({ ...ended, code: CloseCode.DUPLICATE })
    await clock.advance(60_000)
    expect(pool.get(larger)).to.equal(first)
    expect(first.closeInfo).to.equal(undefined)
    expect(changes).to.deep.equal([{ type: 'connected', connection: first }])
    first.end(ended)
    await clock.advance(0)
    expect(changes[1]).to.deep.equal({ type: 'disconnected', connection: first, info: ended })
    expect(clock.pending).to.equal(0)
    await stop()
  })

  it('drains a bounded number', async () => {
    const { clock, arrive, stop } = await startPool()
    const all = Array.from({ length: 20 }, () => {
      const connection = arrive(larger)
      connection.streams = 1
      return connection
    })
    await clock.advance(0)
    expect(all.filter(({ closeInfo }) => closeInfo === undefined)).to.deep.equal(all.slice(-1 - MAX_DRAINING))
    await stop()
  })

  it('replaces one that has ended at once, though its end was not told yet', async () => {
    const { clock, pool, arrive, stop } = await startPool()
    const changes: string[] = []
    pool.peers$.subscribe(({ type }) => changes.push(type))
    const old = arrive(larger)
    old.end(ended)
    expect(pool.get(larger)).to.equal(undefined)
    const young = arrive(larger)
    await clock.advance(0)
    expect(pool.get(larger)).to.equal(young)
    expect([...pool.connections]).to.deep.equal([young])
    expect(changes).to.deep.equal(['connected'])
    await stop()
  })
})

describe('the connection pool', () => {
  it('refuses a peer that has the own node id', async () => {
    const { pool, arrive, stop } = await startPool()
    expect(arrive(self).closeInfo).to.include({ code: CloseCode.BAD_PEER })
    expect([...pool.connections]).to.deep.equal([])
    await stop()
  })

  it('hands every connection to every handler until that is taken back, and contains what they throw', async () => {
    const { clock, pool, arrive, errors, stop } = await startPool()
    const early = arrive(larger)
    const seen: Connection[] = []
    const handler = (connection: Connection): void => {
      seen.push(connection)
      throw new Error('broken')
    }
    const remove = pool.onConnection(handler)
    const removeSecond = pool.onConnection(handler)
    const late = arrive(smaller)
    expect(seen).to.deep.equal([early, early, late, late])
    expect(errors).to.have.length(4)
    removeSecond()
    const third = arrive(nodeId(30))
    expect(seen.slice(4)).to.deep.equal([third])
    remove()
    arrive(nodeId(31))
    expect(seen).to.have.length(5)
    expect(clock.pending).to.equal(SWEEP)
    await stop()
  })

  it('gives a connection once to a handler that is registered by a handler', async () => {
    const { pool, arrive, stop } = await startPool()
    const seen: Connection[] = []
    const remove = pool.onConnection(() => {
      remove()
      pool.onConnection((connection) => seen.push(connection))
    })
    const connection = arrive(larger)
    expect(seen).to.deep.equal([connection])
    await stop()
  })

  it('tells events of each connection, and closes all when it stops', async () => {
    const { clock, transport, pool, events, arrive, stop } = await startPool()
    let completed = false
    pool.peers$.subscribe({ complete: () => (completed = true) })
    transport.plans.set('192.0.2.1', { ms: 10 })
    await clock.until(pool.dial(contact(larger, '192.0.2.1'), { attempt: 'a1' }))
    const draining = arrive(larger)
    const inbound = arrive(smaller)
    await stop()
    expect([draining, inbound, transport.made[0]!].map(({ closeInfo }) => closeInfo?.code)).to.deep.equal([1, 1, 1])
    const story = events
      .filter(({ type }) => type.startsWith('connection.'))
      .map((event) => [event.type, (event as { connection?: string }).connection, event.attempt])
    const [own] = transport.made
    expect(story).to.deep.equal([
      ['connection.opened', own!.id, 'a1'],
      ['connection.opened', draining.id, undefined],
      ['connection.opened', inbound.id, undefined],
      ['connection.closed', draining.id, undefined],
      ['connection.closed', own!.id, 'a1'],
      ['connection.closed', inbound.id, undefined]
    ])
    expect([completed, clock.pending, [...pool.connections].length]).to.deep.equal([true, 0, 0])
  })

  it('disconnects a peer for good, those that drain included', async () => {
    const { clock, pool, arrive, stop } = await startPool()
    const both = [arrive(larger), arrive(larger)]
    pool.disconnect(larger, 0x1001, 'enough')
    await clock.advance(0)
    for (const { closeInfo } of both) expect(closeInfo).to.include({ code: 0x1001, reason: 'enough' })
    expect([pool.get(larger), clock.pending]).to.deep.equal([undefined, 0])
    pool.disconnect(larger)
    await stop()
  })
})
