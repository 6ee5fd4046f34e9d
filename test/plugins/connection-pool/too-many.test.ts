import { expect } from 'chai'
import { CloseCode, type PeerChange } from '#src/kernel/index.js'
import { NodeId } from '#src/model/index.js'
import { contact, larger, nodeId, smaller, startPool, type FakeConnection } from './doubles.js'

/** Any number of different nodes. */
function someone(n: number): NodeId {
  return NodeId.fromBytes(Uint8Array.from({ length: 32 }, (_, i) => (i < 2 ? 200 : (n >> (8 * (i % 4))) & 255)))
}

function isOpen({ closeInfo }: FakeConnection): boolean {
  return closeInfo === undefined
}

describe('too many connections', () => {
  it('are refused when others come, but one more of the same peer is not', async () => {
    const { pool, arrive, stop } = await startPool({ maxConnections: 2 })
    arrive(nodeId(20))
    arrive(nodeId(21))
    expect(arrive(nodeId(22)).closeInfo).to.include({ code: CloseCode.LIMIT })
    expect(arrive(nodeId(21)).closeInfo).to.equal(undefined)
    expect(pool.stats()).to.deep.include({ peers: 2, uninvited: 2 })
    expect(pool.stats().closed['refused-full']).to.equal(1)
    await stop()
  })

  it('lose the least useful one when this node dials', async () => {
    const { clock, transport, pool, arrive, stop } = await startPool({ maxConnections: 2 })
    const changes: PeerChange[] = []
    pool.peers$.subscribe((change) => changes.push(change))
    const [old, young] = [arrive(nodeId(20)), arrive(nodeId(21))]
    transport.plans.set('192.0.2.1', { ms: 50 })
    const own = await clock.until(pool.dial(contact(larger, '192.0.2.1')))
    await clock.advance(0)
    expect([isOpen(old), young.closeInfo?.code]).to.deep.equal([true, CloseCode.LIMIT])
    expect(pool.stats()).to.deep.include({ peers: 2, uninvited: 1 })
    expect(pool.stats().closed.evicted).to.equal(1)
    expect(changes.filter(({ type }) => type === 'disconnected').map(({ connection }) => connection)).to.deep.equal([
      young
    ])
    expect(pool.get(larger)).to.equal(own)
    await stop()
  })

  it('cannot be dialled when all that there are must stay, before or after the dial', async () => {
    const { clock, transport, pool, arrive, stop } = await startPool({ maxConnections: 2 })
    const [busy, kept] = [arrive(nodeId(20)), arrive(nodeId(21))]
    pool.protect(nodeId(21), 'mine')
    transport.plans.set('192.0.2.1', { ms: 50 })
    const raced = pool.dial(contact(larger, '192.0.2.1')).catch((error: unknown) => error)
    await clock.advance(10)
    // The look at who uses what was long ago: what counts is now.
    busy.ownStreams = 1
    expect(await clock.until(raced)).to.have.nested.property('report.candidates[0].code', 'ERR_LIMIT')
    expect(transport.made[0]!.closeInfo).to.include({ code: CloseCode.LIMIT })
    expect([isOpen(busy), isOpen(kept)]).to.deep.equal([true, true])
    const dials = transport.log.length
    const refused: unknown = await pool.dial(contact(smaller, '192.0.2.1')).catch((error: unknown) => error)
    expect(refused).to.have.property('code', 'ERR_LIMIT')
    expect(transport.log.length).to.equal(dials)
    await stop()
  })

  it('let a protected peer in whenever it comes', async () => {
    const { pool, arrive, stop } = await startPool({ maxConnections: 2, maxPerAddress: 2 })
    const [, young] = [arrive(nodeId(20)), arrive(nodeId(21))]
    pool.protect(larger, 'mine')
    expect(arrive(larger).closeInfo).to.equal(undefined)
    expect(young.closeInfo).to.include({ code: CloseCode.LIMIT })
    await stop()
  })

  it('do not keep out a peer that this node is dialling', async () => {
    const { clock, pool, arrive, stop } = await startPool({ maxPerAddress: 1 })
    arrive(nodeId(20))
    const dialled = pool.dial(contact(smaller, '192.0.2.9'))
    await clock.advance(10)
    const inbound = arrive(smaller)
    expect(await clock.until(dialled)).to.equal(inbound)
    expect(arrive(nodeId(21)).closeInfo).to.include({ code: CloseCode.LIMIT })
    expect(pool.stats()).to.deep.include({ peers: 2, uninvited: 1 })
    await stop()
  })

  it('of 10,000 identities at one address take no more than their share, and cost the others nothing', async () => {
    const { clock, transport, pool, arrive, stop } = await startPool({ maxPerAddress: 32 })
    transport.plans.set('192.0.2.77', { ms: 10 })
    const own = await clock.until(pool.dial(contact(larger, '192.0.2.77')))
    const honest = Array.from({ length: 100 }, (_, n) => arrive(nodeId(n + 10), `198.51.${n}.1`))
    const hostile: FakeConnection[] = []
    for (let n = 0; n < 10_000; n++) {
      hostile.push(arrive(someone(n), '203.0.113.66'))
      if (n % 100 === 0) await clock.advance(10)
    }
    await clock.advance(0)
    expect(hostile.filter(isOpen).length).to.equal(32)
    expect(honest.filter(isOpen).length).to.equal(100)
    expect(own.closeInfo).to.equal(undefined)
    expect(pool.stats()).to.deep.include({ peers: 133, uninvited: 132 })
    expect(pool.stats().closed['refused-address']).to.equal(10_000 - 32)
    await stop()
  }).timeout(20_000)

  it('of 10,000 identities in 200 networks fill what is free, and cost nobody else his place', async () => {
    const { clock, transport, pool, arrive, stop } = await startPool()
    transport.plans.set('192.0.2.77', { ms: 10 })
    const honest = Array.from({ length: 100 }, (_, n) => arrive(nodeId(n + 10), `198.51.${n}.1`))
    const hostile: FakeConnection[] = []
    for (let n = 0; n < 10_000; n++) {
      hostile.push(arrive(someone(n), `66.6.${n % 200}.${n % 250}`))
      if (n % 100 === 0) await clock.advance(10)
    }
    await clock.advance(0)
    expect(honest.filter(isOpen).length).to.equal(100)
    expect(hostile.filter(isOpen).length).to.equal(412)
    expect([...pool.connections].length).to.equal(512)
    // Neither from another network nor by a dial of ours is anyone kept out.
    expect(arrive(larger, '198.51.200.1').closeInfo).to.equal(undefined)
    expect(await clock.until(pool.dial(contact(smaller, '192.0.2.77')))).to.have.property('closeInfo', undefined)
    expect([...pool.connections].length).to.equal(512)
    await stop()
  }).timeout(20_000)

  it('of one identity that comes again and again stay few', async () => {
    const { clock, pool, arrive, stop } = await startPool()
    const all: FakeConnection[] = []
    for (let n = 0; n < 10_000; n++) {
      const connection = arrive(larger)
      connection.streams = 1
      all.push(connection)
      if (n % 100 === 0) await clock.advance(1)
    }
    await clock.advance(0)
    expect(all.filter(isOpen).length).to.equal(3)
    expect(pool.get(larger)).to.equal(all.at(-1))
    await stop()
  })
})
