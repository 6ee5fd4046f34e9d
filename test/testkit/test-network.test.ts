import { expect } from 'chai'
import { EMPTY } from 'rxjs'
import {
  ConnectionPool,
  createKernel,
  definePlugin,
  PeerloomError,
  Router,
  RpcRegistry,
  token,
  multiToken,
  unary,
  type Plugin
} from '#src/kernel/index.js'
import type { Node } from '#src/node.js'
import { quicTransport } from '#src/plugins/quic-transport/index.js'
import { createTestNetwork, override, stopAfterTest, stopAll } from '#src/testkit/index.js'

const api = { whoami: unary<object, { name: string }>() }

/** Offers a method that tells a name. */
const named = (name: string): Plugin =>
  definePlugin({
    name: 'named',
    needs: { rpc: RpcRegistry },
    start: ({ rpc }) => void rpc.register({ whoami: unary<object, { name: string }>(() => ({ name })) })
  })

const askName = async (asker: Node, other: Node): Promise<string> =>
  (await asker.peer(other.id).rpc(api).whoami({}, { timer: 5_000 })).name

describe('a test network', () => {
  it('starts nodes that find and call each other, with plugins by their index', async () => {
    await using network = await createTestNetwork({ nodes: 3, plugins: (i) => [named(`node ${i}`)] })
    const [alice, bob, carol] = network.nodes
    expect(await network.until(askName(bob, carol))).to.equal('node 2')
    expect(await network.until(askName(carol, alice))).to.equal('node 0')
    const joined = network.events.filter(({ type }) => type === 'routing.joined')
    expect(joined.map(({ nodeIndex }) => nodeIndex)).to.deep.equal([1, 2])
    expect(JSON.parse(JSON.stringify(network.events))).to.deep.equal(network.events)
  })

  it('gives each node the same identity for the same seed, whatever the number of nodes', async () => {
    const idsOf = async (nodes: number, seed?: number): Promise<string[]> => {
      await using network = await createTestNetwork({ nodes, ...(seed === undefined ? {} : { seed }) })
      return network.nodes.map(({ id }) => id)
    }
    const [one, two] = await idsOf(2)
    expect(await idsOf(1, 1)).to.deep.equal([one])
    expect(new Set([one, two, ...(await idsOf(2, 2))]).size).to.equal(4)
  })

  it('adds nodes later, which join by whom they are told', async () => {
    await using network = await createTestNetwork({ nodes: 3, join: () => [], plugins: [named('x')] })
    expect(network.nodes.map(({ kernel }) => kernel.resolve(Router).size)).to.deep.equal([0, 0, 0])
    const late = await network.add({ join: [network.nodes[1]], plugins: [named('late')] })
    expect(network.nodes.at(3)).to.equal(late)
    expect(await network.until(askName(network.nodes[1], late))).to.equal('late')
    const failure = await network.until(askName(network.nodes[0], late)).catch((error: unknown) => error)
    expect(failure).to.have.property('code', 'ERR_NOT_FOUND')
  })

  it('says who cannot join by whom, and leaves nothing running', async () => {
    const failure: unknown = await createTestNetwork({ nodes: 2, join: (i) => [i] }).catch((error: unknown) => error)
    expect(failure).to.have.property('message').that.contains('node 0 cannot join by node 0')
    await stopAll()
  })

  it('refuses what it would otherwise take for something else', async () => {
    const failure = async (options: object): Promise<unknown> =>
      createTestNetwork(options).catch((error: unknown) => error)
    for (const options of [
      { nodes: NaN },
      { nodes: -1 },
      { nodes: 2.5 },
      { time: 'fast' },
      { seed: 'x' },
      { links: 'slow' },
      { plugins: 'x' },
      { node: 3 }
    ]) {
      expect(await failure(options), JSON.stringify(options)).to.have.property('code', 'ERR_CONFIG')
    }
    expect(await failure({ links: { latency: 50 } })).to.have.property('code', 'ERR_INVALID_INPUT')
    await using network = await createTestNetwork({ nodes: 1 })
    for (const ms of [NaN, Infinity, -1]) {
      const error: unknown = await network.run(ms).catch((reason: unknown) => reason)
      expect(error).to.have.property('code', 'ERR_INVALID_INPUT')
    }
  })

  it('tells links from node to node, partitions nodes and makes them vanish', async () => {
    const links = (from: number, to: number) => ({ latencyMs: from === 0 || to === 0 ? 200 : 5 })
    await using network = await createTestNetwork({ nodes: 3, links, plugins: [named('x')] })
    const [alice, bob, carol] = network.nodes
    const timeOf = async (work: Promise<unknown>): Promise<number> => {
      const begun = network.clock.monotonic()
      await network.until(work)
      return network.clock.monotonic() - begun
    }
    // A peer that was silent for long would be asked for a sign of life before it is called.
    for (const peer of [carol, alice, carol]) await network.until(askName(bob, peer))
    expect(await timeOf(askName(bob, carol))).to.equal(10)
    expect(await timeOf(askName(bob, alice))).to.equal(400)
    const heal = network.partition([alice])
    const cutOff = await network.until(askName(bob, alice)).catch((error: unknown) => error)
    expect(cutOff).to.have.property('code', 'ERR_RPC_TIMEOUT')
    await network.run(60_000)
    expect(alice.kernel.resolve(ConnectionPool).get(bob.id)).to.equal(undefined)
    heal()
    expect(await network.until(askName(bob, alice))).to.equal('x')
    const appear = network.vanish(carol)
    await network.run(60_000)
    expect(bob.kernel.resolve(ConnectionPool).get(carol.id)).to.equal(undefined)
    appear()
    expect(await network.until(bob.connect(carol.contact))).to.have.property('peer', carol.id)
    expect(network.network.stats.lost).to.be.above(0)
  })

  it('runs in real time, over QUIC if asked for', async function () {
    this.timeout(20_000)
    await using network = await createTestNetwork({
      nodes: 2,
      time: 'real',
      links: { latencyMs: 2 },
      plugins: [quicTransport, named('over QUIC')]
    })
    const [alice, bob] = network.nodes
    expect(await network.until(askName(bob, alice))).to.equal('over QUIC')
    expect(bob.kernel.resolve(ConnectionPool).get(alice.id)).to.have.property('transport', 'quic-transport')
    await network.run(5)
  })

  it('replaces any contract by an object', async () => {
    const router: Router = {
      size: 7,
      find: () => Promise.reject(new PeerloomError('ERR_NOT_FOUND', 'nowhere')),
      find$: () => EMPTY,
      closest: () => [],
      join: () => Promise.resolve(7),
      stats: () => ({ contacts: 7, dropped: {} })
    }
    await using network = await createTestNetwork({ plugins: [override(Router, router)] })
    const [alice, bob] = network.nodes
    expect(alice.kernel.resolve(Router).size).to.equal(7)
    const failure = await alice.find(bob.id).catch((error: unknown) => error)
    expect(failure).to.have.property('message', 'nowhere')
    const weather = { at: () => 21 }
    // @ts-expect-error an implementation of another contract
    override(Router, weather)
  })

  it('adds an object to a contract that has many providers', async () => {
    const Words = multiToken<string>('test/Words')
    const Word = token<string>('test/Word')
    const says = definePlugin({ name: 'says', provides: { word: Words }, start: () => ({ word: 'a' }) })
    await using kernel = createKernel({ plugins: [says, override(Words, 'b'), override(Word, 'c')] })
    await kernel.start()
    expect(kernel.resolve(Words)).to.have.members(['a', 'b'])
    expect(kernel.resolve(Word)).to.equal('c')
  })
})

describe('stopping after a test', () => {
  it('stops whatever was left running, the latest first', async () => {
    const order: string[] = []
    const stops = (name: string) => ({ stop: () => Promise.resolve(order.push(name)) })
    const network = await createTestNetwork({ nodes: 1 })
    stopAfterTest(stops('first'))
    expect(stopAfterTest(stops('second'))).to.have.property('stop')
    await stopAll()
    expect(order).to.deep.equal(['second', 'first'])
    expect(network.nodes[0].kernel.state).to.equal('idle')
    await stopAll()
    expect(order).to.have.length(2)
  })

  it('stops a network whose nodes are still starting', async () => {
    const made: number[] = []
    const ended: number[] = []
    let hangs: () => void = () => undefined
    const hanging = new Promise<void>((resolve) => (hangs = resolve))
    const witness = (index: number): Plugin =>
      definePlugin({
        name: 'witness',
        start: async (_, context) => {
          context.defer(() => ended.push(index))
          if (index < 1) return
          hangs()
          await new Promise(() => undefined)
        }
      })
    const options = { nodes: 3, time: 'real', plugins: (i: number) => (made.push(i), [witness(i)]) } as const
    const given = createTestNetwork(options).catch((error: unknown) => error)
    await hanging
    await stopAll()
    expect(ended).to.deep.equal([1, 0])
    expect(await given).to.have.property('code', 'ERR_ABORTED')
    expect(made).to.deep.equal([0, 1])
  })

  it('names what failed to stop, and stops the others all the same', async () => {
    const broken = definePlugin({
      name: 'broken',
      start: (_, context) => {
        context.defer(() => {
          throw new Error('will not stop')
        })
      }
    })
    const network = await createTestNetwork({ nodes: 2, plugins: (i) => (i === 1 ? [broken] : []), seed: 42 })
    let stopped = false
    const kernel = createKernel({ plugins: [broken] })
    await kernel.start()
    stopAfterTest({ stop: () => Promise.resolve((stopped = true)) })
    stopAfterTest(kernel, { name: 'my kernel' })
    const failure: unknown = await stopAll().catch((error: unknown) => error)
    expect(failure).to.be.instanceOf(AggregateError)
    const { message } = failure as AggregateError
    expect(message).to.match(/my kernel did not stop: .*will not stop/)
    expect(message).to.match(/the test network of seed 42 did not stop: node 1 did not stop: .*will not stop/)
    expect(stopped).to.equal(true)
    expect(network.nodes.map(({ kernel: { state } }) => state)).to.deep.equal(['idle', 'idle'])
  })
})
