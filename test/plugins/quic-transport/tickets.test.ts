import { expect } from 'chai'
import type { PeerloomError } from '#src/kernel/index.js'
import { NodeId } from '#src/model/index.js'
import { MAX_FLIGHTS, REPLAY_MS, ReplayWindow } from '#src/plugins/quic-transport/replay-window.js'
import { TICKET_MS, Tickets } from '#src/plugins/quic-transport/tickets.js'
import { VirtualClock } from '#src/testkit/index.js'
import { meet, startKnown } from './meet.js'
import { startNode } from './nodes.js'

const ids = [1, 2, 3].map((n) => NodeId.fromBytes(new Uint8Array(32).fill(n))) as [NodeId, NodeId, NodeId]
const bytes = (n: number): Uint8Array => new Uint8Array(4).fill(n)

describe('tickets of nodes that were dialled', () => {
  it('are given away once, to the same node and size of datagrams', () => {
    const tickets = new Tickets(new VirtualClock(), 10)
    tickets.put(ids[0], 1_350, bytes(1), 0)
    tickets.put(ids[0], 1_350, bytes(2), 0)
    expect(tickets.take(ids[1], 1_350)).to.equal(undefined)
    expect(tickets.take(ids[0], 16_000)).to.equal(undefined)
    expect(tickets.take(ids[0], 1_350)).to.deep.equal(bytes(2))
    expect(tickets.take(ids[0], 1_350)).to.equal(undefined)
  })

  it('are void some time after they were issued', async () => {
    const clock = new VirtualClock()
    const tickets = new Tickets(clock, 10)
    tickets.put(ids[0], 1_350, bytes(1), 0)
    tickets.put(ids[1], 1_350, bytes(2), 1)
    await clock.advance(TICKET_MS)
    expect(tickets.take(ids[0], 1_350)).to.equal(undefined)
    expect(tickets.take(ids[1], 1_350)).to.deep.equal(bytes(2))
  })

  it('are limited: the oldest goes', () => {
    const clock = new VirtualClock()
    const tickets = new Tickets(clock, 2)
    tickets.put(ids[0], 1_350, bytes(0), 0)
    tickets.put(ids[1], 1_350, bytes(1), 0)
    tickets.put(ids[0], 1_350, bytes(2), 0)
    tickets.put(ids[2], 1_350, bytes(3), 0)
    expect(ids.map((id) => tickets.take(id, 1_350)?.[0])).to.deep.equal([2, undefined, 3])
    const none = new Tickets(clock, 0)
    none.put(ids[0], 1_350, bytes(0), 0)
    expect(none.take(ids[0], 1_350)).to.equal(undefined)
  })
})

describe('the replay window', () => {
  it('takes a flight once for as long as TLS would take it', async () => {
    const clock = new VirtualClock()
    const flights = new ReplayWindow(clock)
    await clock.advance(REPLAY_MS - 1)
    expect(flights.claim('a')).to.equal(true)
    expect(flights.claim('a')).to.equal(false)
    await clock.advance(REPLAY_MS - 1)
    expect(flights.claim('b')).to.equal(true)
    expect(flights.claim('a')).to.equal(false)
    await clock.advance(2 * REPLAY_MS)
    expect(flights.claim('a')).to.equal(true)
  })

  it('takes none that it could not remember', async () => {
    const clock = new VirtualClock()
    const flights = new ReplayWindow(clock)
    for (let i = 0; i < MAX_FLIGHTS; i++) expect(flights.claim(String(i))).to.equal(true)
    expect(flights.claim('more')).to.equal(false)
    await clock.advance(REPLAY_MS)
    expect(flights.claim('more')).to.equal(true)
    expect(flights.claim('0')).to.equal(false)
  })
})

describe('a second handshake with a node', () => {
  it('is shortened by a ticket, on both sides, and proves the same node ids', async () => {
    await using a = await startNode()
    await using b = await startNode()
    expect(await meet(a, b)).to.deep.equal([false, false])
    expect(await meet(a, b)).to.deep.equal([true, true])
    expect(await meet(a, b)).to.deep.equal([true, true])
    expect(b.inbound.map(({ peer }) => peer)).to.deep.equal([a.id, a.id, a.id])
  })

  it('is a full one where tickets are not kept', async () => {
    await using a = await startNode({ quic: { maxTickets: 0 } })
    await using b = await startNode()
    await meet(a, b)
    expect(await meet(a, b)).to.deep.equal([false, false])
  })

  it('is a full one when the key of the tickets is another', async () => {
    await using a = await startNode()
    await using b = await startNode({ quic: { ticketKeyMs: 1 } })
    await meet(a, b)
    expect(await meet(a, b)).to.deep.equal([false, false])
  })

  it('is a full one when the node was restarted', async () => {
    await using a = await startNode()
    const before = await startKnown(3)
    const { port } = before.address
    await meet(a, before)
    await before.stop()
    await using b = await startKnown(3, { port })
    expect(await meet(a, b)).to.deep.equal([false, false])
    expect(await meet(a, b)).to.deep.equal([true, true])
  })

  it('does not take another node for it that has come to its address', async () => {
    await using a = await startNode()
    const b = await startNode()
    const { port } = b.address
    await meet(a, b)
    await b.stop()
    await using other = await startNode({ port })
    const error: unknown = await a.transport.dial(b.id, other.address).then(
      () => undefined,
      (thrown: unknown) => thrown
    )
    expect((error as PeerloomError).code).to.equal('ERR_PEER_MISMATCH')
    expect(other.inbound).to.deep.equal([])
    expect((await a.transport.dial(other.id, other.address)).peer).to.equal(other.id)
  })
})
