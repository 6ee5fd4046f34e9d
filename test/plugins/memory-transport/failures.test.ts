import { expect } from 'chai'
import fc from 'fast-check'
import { CloseCode, type Connection, type Identity } from '#src/kernel/index.js'
import { MemoryNetwork } from '#src/plugins/memory-network/index.js'
import { seededRandom, VirtualClock } from '#src/testkit/index.js'
import { testIdentity } from './identities.js'
import { startNode, type TestNodeOptions } from './nodes.js'

interface World {
  readonly clock: VirtualClock
  readonly network: MemoryNetwork
  readonly node: (n: number, options?: Partial<TestNodeOptions>) => ReturnType<typeof startNode>
}

function world(): World {
  const clock = new VirtualClock()
  const network = new MemoryNetwork({ clock, random: seededRandom(1), latencyMs: 50 })
  return { clock, network, node: (n, options = {}) => startNode(n, { network, clock, ...options }) }
}

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error
  )

describe('memory-transport when things go wrong', () => {
  it('ends a connection whose link is down after the idle timeout, and leaves no timer', async () => {
    const { clock, network, node } = world()
    const [a, b] = [await node(1), await node(2)]
    const inbound = new Promise<Connection>((resolve) => (b.transport.onConnection = resolve))
    const outbound = await clock.until(a.transport.dial(b.identity.nodeId, b.address))
    const other = await clock.until(inbound)
    await clock.advance(100_000)
    expect(outbound.closeInfo).to.equal(undefined)
    network.host('10.0.0.2').up = false
    await clock.advance(45_000)
    for (const connection of [outbound, other]) {
      expect(connection.closeInfo).to.include({ by: 'timeout', code: CloseCode.IDLE })
    }
    expect(clock.pending).to.equal(0)
  })

  it('gives up a dial that nothing answers, at its deadline', async () => {
    const { clock, node } = world()
    const [a, b] = [await node(1), await node(2)]
    const dial = a.transport.dial(b.identity.nodeId, { host: '10.0.0.9', port: 1 })
    expect(await clock.until(failure(dial))).to.have.property('code', 'ERR_DIAL')
    expect(clock.monotonic()).to.equal(10_000)
    expect(clock.pending).to.equal(0)
  })

  it('refuses a dialler that cannot prove its node id, and shows nobody anything of it', async () => {
    const { clock, node } = world()
    const victim = testIdentity(3)
    const liar: Identity = { ...testIdentity(1), nodeId: victim.nodeId }
    const [a, b] = [await node(1, { identity: liar }), await node(2)]
    let accepted = 0
    b.transport.onConnection = () => {
      accepted++
    }
    const outbound = await clock.until(a.transport.dial(b.identity.nodeId, b.address))
    const stream = await outbound.open()
    stream.end(Uint8Array.of(1))
    // It overtakes the proof.
    expect(outbound.sendMessage(Uint8Array.of(1))).to.equal(true)
    expect(await clock.until(outbound.closed)).to.include({ by: 'peer', code: CloseCode.BAD_PEER })
    expect(accepted).to.equal(0)
    expect(b.transport.stats()).to.include({ connections: 0, handshakes: 0 })
  })

  it('refuses an acceptor that cannot prove the node id it claims', async () => {
    const { clock, node } = world()
    const victim = testIdentity(3)
    const [a, b] = [await node(1), await node(2, { identity: { ...testIdentity(2), nodeId: victim.nodeId } })]
    const dial = a.transport.dial(victim.nodeId, b.address)
    expect(await clock.until(failure(dial))).to.have.property('code', 'ERR_PEER_MISMATCH')
    await clock.advance(50)
    expect(b.transport.stats()).to.include({ connections: 0, handshakes: 0 })
  })

  it('tells a peer whose welcome comes too late that nobody waits for it', async () => {
    const { clock, node } = world()
    const [a, b] = [await node(1), await node(2)]
    const controller = new AbortController()
    const dial = failure(a.transport.dial(b.identity.nodeId, b.address, { signal: controller.signal }))
    await clock.advance(60)
    expect(b.transport.stats().handshakes).to.equal(1)
    controller.abort()
    expect(await dial).to.have.property('code', 'ERR_ABORTED')
    await clock.advance(100)
    expect(b.transport.stats().handshakes).to.equal(0)
    expect(clock.pending).to.equal(0)
  })

  it('dials nobody with whom it shares no protocol', async () => {
    const { clock, node } = world()
    const [a, b] = [await node(1, { transport: { protocols: ['one/1', 'two/1'] } }), await node(2)]
    const dial = failure(a.transport.dial(b.identity.nodeId, b.address))
    expect(await clock.until(dial)).to.have.property('code', 'ERR_DIAL')
    const c = await node(3, { transport: { protocols: ['three/1', 'two/1'] } })
    const agreed = await clock.until(a.transport.dial(c.identity.nodeId, c.address))
    expect(agreed.protocol).to.equal('two/1')
  })

  it('keeps to the limit on connections', async () => {
    const { clock, node } = world()
    const limited = { transport: { maxConnections: 1 } }
    const [a, b, c] = [await node(1), await node(2, limited), await node(3)]
    await clock.until(a.transport.dial(b.identity.nodeId, b.address))
    const refused = failure(c.transport.dial(b.identity.nodeId, b.address))
    expect(await clock.until(refused)).to.have.property('code', 'ERR_DIAL')
    const own = failure(b.transport.dial(c.identity.nodeId, c.address))
    expect(await clock.until(own)).to.have.property('code', 'ERR_LIMIT')
  })

  it('tells a peer that missed the end of a connection when it speaks again', async () => {
    const { clock, network, node } = world()
    const [a, b] = [await node(1), await node(2)]
    const inbound = new Promise<Connection>((resolve) => (b.transport.onConnection = resolve))
    const outbound = await clock.until(a.transport.dial(b.identity.nodeId, b.address))
    const other = await clock.until(inbound)
    await clock.advance(1_000)
    const heal = network.partition(['10.0.0.1'])
    outbound.close(0x1001, 'unheard')
    heal()
    expect(other.closeInfo).to.equal(undefined)
    ;(await other.open()).write(Uint8Array.of(1))
    expect(await clock.until(other.closed)).to.include({ by: 'peer', code: 0x1001, reason: 'unheard' })
  })

  it('survives any datagram, before and during a connection', async () => {
    const { clock, node } = world()
    const [a, b, c] = [await node(1), await node(2), await node(3)]
    await clock.until(a.transport.dial(b.identity.nodeId, b.address))
    let noise = 0
    for (const datagram of fc.sample(fc.uint8Array({ minLength: 1, maxLength: 300 }), { numRuns: 500, seed: 1 })) {
      datagram[0] = 0x40 + ((datagram[0] as number) % 6)
      for (const sender of [a, c]) sender.datagrams.primary.send(datagram, b.address)
      noise += 2
    }
    await clock.advance(1_000)
    const { dropped, connections } = b.transport.stats()
    expect(connections).to.equal(1)
    expect(Object.values(dropped).reduce((sum, count) => sum + count, 0)).to.equal(noise)
  })
})
