import { expect } from 'chai'
import fc from 'fast-check'
import {
  CloseCode,
  ConnectionPool,
  createKernel,
  Datagrams,
  Identity,
  RpcRegistry,
  Transport,
  unary,
  type Kernel
} from '#src/kernel/index.js'
import { Contact } from '#src/model/index.js'
import { connectionPool } from '#src/plugins/connection-pool/index.js'
import { identity } from '#src/plugins/identity/index.js'
import { MemoryNetwork, memoryNetwork, type LinkOptions } from '#src/plugins/memory-network/index.js'
import { memoryTransport } from '#src/plugins/memory-transport/index.js'
import { rpc } from '#src/plugins/rpc/index.js'
import { seededRandom, VirtualClock } from '#src/testkit/index.js'

const api = { life: unary<object, { life: number }>() }

interface Node {
  readonly kernel: Kernel
  readonly pool: ConnectionPool
  readonly contact: Contact
}

/** Nodes in virtual time; each may have several lives, at the same address and with the same key. */
class World {
  readonly clock = new VirtualClock()
  readonly network: MemoryNetwork
  #lives = 0

  constructor(link: LinkOptions, chance = 1) {
    this.network = new MemoryNetwork({ clock: this.clock, random: seededRandom(chance), ...link })
  }

  async start(seed: number): Promise<Node> {
    const life = ++this.#lives
    const kernel = createKernel({
      clock: this.clock,
      random: seededRandom(1_000 + life),
      plugins: [
        identity.with({ seed: new Uint8Array(32).fill(seed) }),
        memoryNetwork.with({ network: this.network, host: `10.0.0.${seed}`, port: 4433 }),
        // One that is killed waits for nothing.
        memoryTransport.with({ drainMs: 0 }),
        connectionPool,
        rpc
      ]
    })
    await this.clock.until(kernel.start())
    kernel.resolve(RpcRegistry).register({ life: unary<object, { life: number }>(() => ({ life })) })
    const contact = Contact.of(kernel.resolve(Identity).nodeId, [kernel.resolve(Datagrams).primary.local])
    return { kernel, pool: kernel.resolve(ConnectionPool), contact }
  }

  /** Ends a node without a word to anyone. */
  async kill(node: Node): Promise<void> {
    const reappear = this.network.vanish(node.contact.addresses[0]!.host)
    await this.clock.until(node.kernel.stop())
    await this.clock.advance(0)
    reappear()
  }

  /** What a node is answered by another, and how long that took. Connects as `Peer` does. */
  async call(from: Node, to: Node): Promise<{ life: number; ms: number }> {
    const begun = this.clock.monotonic()
    const connect = async () => (await from.pool.check(to.contact.id)) ?? from.pool.dial(to.contact)
    const { life } = await this.clock.until(from.kernel.resolve(RpcRegistry).client(connect, api).life({}))
    return { life, ms: this.clock.monotonic() - begun }
  }

  connectionsOf({ kernel }: Node): number {
    return kernel.resolve(Transport).stats().connections
  }

  async stop(...nodes: readonly Node[]): Promise<void> {
    for (const { kernel } of nodes) await this.clock.until(kernel.stop())
    await this.clock.advance(10_000)
    expect(this.clock.pending).to.equal(0)
  }
}

describe('a peer that was restarted', () => {
  const orders = [
    [1, 2],
    [2, 1]
  ] as const

  for (const [own, others] of orders) {
    it(`is noticed by whoever calls it next (${own} calls ${others})`, async () => {
      const world = new World({ latencyMs: 20 })
      const us = await world.start(own)
      const before = await world.start(others)
      expect((await world.call(us, before)).life).to.equal(2)
      await world.clock.advance(1_000)
      await world.kill(before)
      const after = await world.start(others)
      const { life, ms } = await world.call(us, after)
      expect(life).to.equal(3)
      expect(ms).to.be.below(500)
      await world.clock.advance(30_000)
      expect([world.connectionsOf(us), world.connectionsOf(after)]).to.deep.equal([1, 1])
      await world.stop(us, after)
    })

    it(`is not refused when it calls itself, and its connection is the one used soon (${others} calls ${own})`, async () => {
      const world = new World({ latencyMs: 20 })
      const us = await world.start(own)
      const before = await world.start(others)
      await world.call(us, before)
      const old = us.pool.get(before.contact.id)
      await world.kill(before)
      const after = await world.start(others)
      expect((await world.call(after, us)).ms).to.be.below(500)
      await world.clock.advance(2_000)
      expect(us.pool.get(after.contact.id)).to.include({ direction: 'inbound', closeInfo: undefined })
      expect(old!.closeInfo).to.include({ code: CloseCode.DUPLICATE })
      await world.clock.advance(30_000)
      expect([world.connectionsOf(us), world.connectionsOf(after)]).to.deep.equal([1, 1])
      await world.stop(us, after)
    })
  }

  it('is noticed although the connection was heard of a moment ago, and calls under way end soon', async () => {
    const world = new World({ latencyMs: 20 })
    const us = await world.start(1)
    const before = await world.start(2)
    await world.call(us, before)
    await world.kill(before)
    const after = await world.start(2)
    const begun = world.clock.monotonic()
    const lost = await world.call(us, after).catch((error: unknown) => error)
    expect(lost).to.have.property('code', 'ERR_CONNECTION_CLOSED')
    expect(world.clock.monotonic() - begun).to.be.below(2_000)
    expect((await world.call(us, after)).life).to.equal(3)
    await world.stop(us, after)
  })

  it('is called again and again, whenever it was killed and whatever is lost, and always answers in time', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...orders),
        fc.integer({ min: 1, max: 100 }),
        fc.constantFrom(0, 0, 0.1),
        fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 501, max: 60_000 })), { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 1, max: 1_000 }),
        async ([own, others], latencyMs, lossRate, lives, chance) => {
          const world = new World({ latencyMs, lossRate }, chance)
          const us = await world.start(own)
          let them = await world.start(others)
          await world.call(us, them)
          for (const [theyCallFirst, downMs] of lives) {
            await world.kill(them)
            await world.clock.advance(downMs)
            them = await world.start(others)
            if (theyCallFirst) await world.call(them, us)
            const { ms } = await world.call(us, them)
            // What is lost is sent again by this transport after 1 s, 2 s and so on while no round trip is known.
            if (lossRate === 0) expect(ms).to.be.below(2_000)
          }
          await world.clock.advance(40_000)
          expect([world.connectionsOf(us), world.connectionsOf(them)]).to.deep.equal([1, 1])
          await world.stop(us, them)
        }
      ),
      // The example loses the dialler's proof four times in a row.
      { numRuns: 60, examples: [[[1, 2], 1, 0.1, [[false, 501]], 13]] }
    )
  }).timeout(20_000)
})

describe('a peer that is silent', () => {
  it('and alive is asked for a sign of life, which costs a round trip and nothing else', async () => {
    const world = new World({ latencyMs: 20 })
    const us = await world.start(1)
    const them = await world.start(2)
    await world.call(us, them)
    const connection = us.pool.get(them.contact.id)
    await world.clock.advance(5_000)
    expect(await world.call(us, them)).to.deep.equal({ life: 2, ms: 80 })
    expect(await world.call(us, them)).to.deep.equal({ life: 2, ms: 40 })
    expect(us.pool.get(them.contact.id)).to.equal(connection)
    await world.stop(us, them)
  })

  it('because the network is gone keeps its connection, which is used when the network is back', async () => {
    const world = new World({ latencyMs: 20 })
    const us = await world.start(1)
    const them = await world.start(2)
    await world.call(us, them)
    const connection = us.pool.get(them.contact.id)
    await world.clock.advance(1_000)
    const heal = world.network.partition([us.contact.addresses[0]!.host])
    const begun = world.clock.monotonic()
    expect(await world.clock.until(us.pool.check(them.contact.id))).to.equal(undefined)
    expect(world.clock.monotonic() - begun).to.equal(2_000)
    // One that has not answered is not asked again until it is heard of.
    expect(await world.clock.until(us.pool.check(them.contact.id))).to.equal(undefined)
    expect(world.clock.monotonic() - begun).to.equal(2_000)
    expect(connection!.closeInfo).to.equal(undefined)
    heal()
    await world.clock.advance(6_000)
    expect(await world.clock.until(us.pool.check(them.contact.id))).to.equal(connection)
    await world.clock.advance(30_000)
    expect([world.connectionsOf(us), world.connectionsOf(them)]).to.deep.equal([1, 1])
    await world.stop(us, them)
  })

  it('is not waited for once the caller has lost interest, or the pool stops', async () => {
    const world = new World({ latencyMs: 20 })
    const us = await world.start(1)
    const them = await world.start(2)
    await world.call(us, them)
    await world.clock.advance(1_000)
    await world.kill(them)
    const abort = new AbortController()
    const checks = [us.pool.check(them.contact.id, { signal: abort.signal }), us.pool.check(them.contact.id)]
    const outcomes = Promise.allSettled(checks)
    await world.clock.advance(100)
    abort.abort()
    await world.clock.advance(100)
    await world.stop(us)
    for (const outcome of await outcomes) {
      expect(outcome).to.have.nested.property('reason.code', 'ERR_ABORTED')
    }
    const late = await us.pool.check(them.contact.id, { signal: abort.signal }).catch((error: unknown) => error)
    expect(late).to.have.property('code', 'ERR_ABORTED')
  })
})
