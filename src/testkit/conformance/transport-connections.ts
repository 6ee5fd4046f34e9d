import assert from 'node:assert/strict'
import { CloseCode, readChunk, type Connection } from '../../kernel/index.js'
import { failsWith } from './fails-with.js'
import {
  connect,
  echo,
  nextConnection,
  nextStream,
  openStream,
  outcome,
  pattern,
  readAll,
  type SuiteContext,
  type TransportEnd
} from './transport.js'
import { until } from './until.js'

/** Dialling, accepting and closing. */
export function connectionTests({ pairTest, connectedTest }: SuiteContext): void {
  pairTest('gives both sides a connection to the other’s node id', async (pair) => {
    const { outbound, inbound } = await connect(pair)
    const { a, b } = pair
    assert.equal(outbound.peer, b.id)
    assert.equal(inbound.peer, a.id)
    assert.equal(outbound.direction, 'outbound')
    assert.equal(inbound.direction, 'inbound')
    assert.equal(outbound.transport, a.transport.name)
    assert.equal(inbound.transport, b.transport.name)
    assert.notEqual(outbound.protocol, '')
    assert.equal(outbound.protocol, inbound.protocol)
    assert.deepEqual([outbound.early, inbound.early], [false, false])
    assert.deepEqual(await Promise.all([outbound.confirmed(), inbound.confirmed()]), [true, true])
    assert.deepEqual({ ...outbound.remote }, { ...b.address })
    assert.deepEqual({ ...inbound.remote }, { ...a.address })
    assert.notEqual(outbound.id, inbound.id)
    assert.equal(outbound.closeInfo, undefined)
    assert.equal(a.transport.stats().connections, 1)
    assert.equal(b.transport.stats().connections, 1)
    assert.equal(a.transport.stats().handshakes + b.transport.stats().handshakes, 0)
  })

  pairTest('makes several connections between the same two nodes', async (pair) => {
    const first = await connect(pair)
    const second = await connect({ ...pair, a: pair.b, b: pair.a })
    const third = await connect(pair)
    const ids = [first, second, third].flatMap(({ outbound, inbound }) => [outbound.id, inbound.id])
    assert.equal(new Set(ids).size, 6)
    assert.equal(pair.a.transport.stats().connections, 3)
  })

  pairTest('refuses another node than the one dialled, and hands nothing to its taker', async (pair) => {
    const { a, b, stranger } = pair
    const seen: Connection[] = []
    b.transport.onConnection = (connection) => void seen.push(connection)
    await assert.rejects(a.transport.dial(stranger, b.address), failsWith('ERR_PEER_MISMATCH'))
    assert.equal(a.transport.stats().connections, 0)
    assert.equal(a.transport.stats().handshakes, 0)
    // A dial that succeeds after it shows that nothing of the first is still to come.
    await a.transport.dial(b.id, b.address)
    await until(() => seen.length > 0)
    assert.deepEqual(
      seen.map(({ closeInfo }) => closeInfo),
      [undefined]
    )
  })

  pairTest('counts the handshakes that were made, and those that failed, by who began them', async (pair) => {
    const { a, b, nowhere, stranger } = pair
    const countsOf = ({ transport }: TransportEnd): unknown => {
      const { handshakesMade, handshakesFailed } = transport.stats()
      return [handshakesMade, handshakesFailed]
    }
    const none = { dialled: 0, accepted: 0 }
    assert.deepEqual([countsOf(a), countsOf(b)], Array(2).fill([none, none]))
    const { outbound } = await connect(pair)
    assert.deepEqual(countsOf(a), [{ dialled: 1, accepted: 0 }, none])
    assert.deepEqual(countsOf(b), [{ dialled: 0, accepted: 1 }, none])
    await assert.rejects(a.transport.dial(stranger, b.address))
    const controller = new AbortController()
    const cancelled = a.transport.dial(b.id, nowhere, { signal: controller.signal })
    controller.abort()
    await assert.rejects(cancelled)
    assert.deepEqual(countsOf(a), [
      { dialled: 1, accepted: 0 },
      { dialled: 2, accepted: 0 }
    ])
    // How the side that was refused counts it depends on whether it had done its part by then.
    await until(() => b.transport.stats().handshakesMade.accepted + b.transport.stats().handshakesFailed.accepted === 2)
    outbound.close()
    assert.deepEqual(countsOf(a), [
      { dialled: 1, accepted: 0 },
      { dialled: 2, accepted: 0 }
    ])
  })

  connectedTest('counts datagrams and bytes, of all connections and of one', async (pair) => {
    const { a, b, outbound, inbound } = pair
    const before = [a.transport.stats(), b.transport.stats(), outbound.stats()] as const
    const arrived = nextStream(inbound).then(readAll)
    const stream = await outbound.open()
    stream.end(pattern(50_000))
    await arrived
    const [sender, receiver, connection] = [a.transport.stats(), b.transport.stats(), outbound.stats()] as const
    assert.ok(sender.sent > before[0].sent)
    assert.ok(sender.sentBytes >= before[0].sentBytes + 50_000)
    assert.ok(receiver.received > before[1].received)
    assert.ok(receiver.receivedBytes >= before[1].receivedBytes + 50_000)
    assert.ok(connection.sentBytes >= before[2].sentBytes + 50_000)
    assert.ok(connection.congestionWindowBytes >= 2 * 1_200)
    assert.ok(connection.lostBytes >= 0)
  })

  pairTest('rejects a dial that its signal cancels, and leaves nothing behind', async ({ a, b, nowhere }) => {
    const aborted = a.transport.dial(b.id, nowhere, { signal: AbortSignal.abort() })
    await assert.rejects(aborted, failsWith('ERR_ABORTED'))
    const controller = new AbortController()
    const cancelled = a.transport.dial(b.id, nowhere, { signal: controller.signal })
    controller.abort()
    await assert.rejects(cancelled, failsWith('ERR_ABORTED'))
    assert.equal(a.transport.stats().handshakes, 0)
    assert.equal(a.transport.stats().connections, 0)
  })

  pairTest('rejects a dial to a name with ERR_DIAL', async ({ a, b }) => {
    await assert.rejects(a.transport.dial(b.id, { host: 'peer.example', port: 1 }), failsWith('ERR_DIAL'))
  })

  pairTest('keeps a connection that came before its taker', async ({ a, b }) => {
    const outbound = await a.transport.dial(b.id, b.address)
    const stream = await outbound.open()
    stream.write(Uint8Array.of(7))
    await until(() => b.transport.stats().connections > 0)
    const inbound = await nextConnection(b.transport)
    assert.equal(inbound.peer, a.id)
    assert.deepEqual([...((await readChunk(await nextStream(inbound))) ?? [])], [7])
  })

  connectedTest('closes with a code and a reason that the peer sees', async ({ outbound, inbound }) => {
    outbound.close(0x1234, 'enough')
    outbound.close(0x9999, 'a second time does nothing')
    assert.deepEqual(outcome(await outbound.closed), { code: 0x1234, reason: 'enough', by: 'us' })
    assert.deepEqual(outcome(await inbound.closed), { code: 0x1234, reason: 'enough', by: 'peer' })
    assert.equal(inbound.closeInfo, await inbound.closed)
  })

  connectedTest('closes from the accepting side, too', async ({ a, b, outbound, inbound }) => {
    inbound.close()
    assert.deepEqual(outcome(await inbound.closed), { code: CloseCode.OK, reason: '', by: 'us' })
    assert.deepEqual(outcome(await outbound.closed), { code: CloseCode.OK, reason: '', by: 'peer' })
    assert.equal(a.transport.stats().connections, 0)
    assert.equal(b.transport.stats().connections, 0)
  })

  connectedTest('ends the streams of a connection with it, on both sides', async (pair) => {
    const { near, far } = await openStream(pair)
    await readChunk(far)
    const waiting = [readChunk(near), readChunk(far)]
    const closed = [near, far].map((stream) => new Promise<void>((resolve) => (stream.onClosed = resolve)))
    pair.outbound.close(0x1001, 'over')
    for (const [i, by] of (['us', 'peer'] as const).entries()) {
      await assert.rejects(waiting[i] as Promise<unknown>, failsWith('ERR_CONNECTION_CLOSED'))
      await closed[i]
      const info = (i === 0 ? pair.outbound : pair.inbound).closeInfo
      assert.equal(info?.by, by)
    }
    for (const stream of [near, far]) {
      assert.equal(stream.closed, true)
      assert.throws(() => stream.read(), failsWith('ERR_CONNECTION_CLOSED'))
      assert.throws(() => stream.write(Uint8Array.of(1)), failsWith('ERR_CONNECTION_CLOSED'))
      stream.reset(1)
      stream.stop(1)
    }
  })

  connectedTest('answers to a ping on either side, until it is closed', async ({ outbound, inbound }) => {
    const before = inbound.heardAt
    assert.deepEqual(await Promise.all([outbound.ping(), inbound.ping(), inbound.ping()]), [true, true, true])
    assert.ok(inbound.heardAt >= before)
    assert.ok(outbound.heardAt >= outbound.openedAt)
    const pinged = outbound.ping()
    outbound.close()
    assert.equal(await pinged, false)
    assert.equal(await outbound.ping(), false)
    await inbound.closed
    assert.equal(await inbound.ping(), false)
  })

  connectedTest('counts the streams of either side', async (pair) => {
    const { outbound, inbound } = pair
    const countsOf = (connection: Connection): number[] => {
      const { streams, ownStreams, openedStreams, acceptedStreams } = connection.stats()
      return [streams, ownStreams, openedStreams, acceptedStreams]
    }
    const first = await openStream(pair)
    const second = await openStream(pair)
    assert.deepEqual(countsOf(outbound), [2, 2, 2, 0])
    assert.deepEqual(countsOf(inbound), [2, 0, 0, 2])
    first.near.reset(1)
    first.near.stop(1)
    first.far.reset(1)
    first.far.stop(1)
    await until(() => outbound.stats().streams + inbound.stats().streams === 2)
    assert.deepEqual(countsOf(outbound), [1, 1, 2, 0])
    assert.deepEqual(countsOf(inbound), [1, 0, 0, 2])
    second.near.reset(1)
    outbound.close()
    assert.deepEqual(countsOf(outbound), [0, 0, 2, 0])
  })

  connectedTest('refuses every use after the close', async ({ outbound }) => {
    outbound.close()
    await assert.rejects(outbound.open(), failsWith('ERR_CONNECTION_CLOSED'))
    assert.throws(() => outbound.tryOpen(), failsWith('ERR_CONNECTION_CLOSED'))
    assert.equal(outbound.stats().streams, 0)
  })

  connectedTest('survives a taker that throws', async (pair) => {
    const { outbound, inbound } = pair
    inbound.onStream = () => {
      throw new Error('thrown by the taker of streams')
    }
    const first = await outbound.open()
    first.write(Uint8Array.of(1))
    const second = await outbound.open()
    await until(() => inbound.stats().streams > 0)
    inbound.onStream = (stream) => void echo(stream)
    second.end(Uint8Array.of(2))
    assert.deepEqual([...((await readChunk(second)) ?? [])], [2])
  })

  connectedTest('closes with SHUTDOWN when its plugin stops', async ({ a, b, outbound, inbound }) => {
    await b.stop()
    assert.equal((await inbound.closed).by, 'us')
    const { code, by } = await outbound.closed
    assert.deepEqual({ code, by }, { code: CloseCode.SHUTDOWN, by: 'peer' })
    assert.equal(a.transport.stats().connections, 0)
  })

  pairTest('gives up the dials under way when its plugin stops, and makes no more', async ({ a, b, nowhere }) => {
    const pending = assert.rejects(a.transport.dial(b.id, nowhere), failsWith('ERR_ABORTED'))
    await a.stop()
    await pending
    await assert.rejects(
      a.transport.dial(b.id, b.address),
      (error: unknown) => error instanceof Error && 'code' in error
    )
  })
}
