import { expect } from 'chai'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { firstValueFrom, mergeMap } from 'rxjs'
import {
  createNode,
  definePlugin,
  kademlia,
  MemoryNetwork,
  memoryNetwork,
  memoryTransport,
  ofType,
  PeerloomError,
  quicTransport,
  rpc,
  RpcRegistry,
  server,
  Transport,
  udp,
  unary,
  type Client,
  type Plugin
} from 'peerloom'

interface Number_ {
  value: number
}
const calculator = definePlugin({
  name: 'calculator',
  needs: { rpc: RpcRegistry },
  start({ rpc }) {
    rpc.register({
      square: unary<Number_, Number_>(({ value }) => ({ value: value ** 2 })),
      cube: unary<Number_, Number_>(({ value }) => ({ value: value ** 3 }))
    })
  }
})
const api = {
  square: unary<Number_, Number_>(undefined, { idempotent: true }),
  cube: unary<Number_, Number_>()
}
const LOCAL = { host: '127.0.0.1' }

interface Failure {
  readonly method: string
  readonly code: string
  readonly message: string
}

/** Calls without a pause until told to stop, or until the test is over. */
class Load {
  static readonly all = new Set<Load>()
  /** Answers that are wrong, and errors that are none of ours. */
  readonly surprises: unknown[] = []
  readonly failed: Failure[] = []
  done = 0
  #on = true
  #waiting: { count: number; resolve: () => void } | undefined
  readonly #loops: Promise<void>[]

  constructor(client: Client<typeof api>, width = 8) {
    Load.all.add(this)
    this.#loops = Array.from({ length: width }, (_, i) => this.#loop(client, i % 2 === 0 ? 'square' : 'cube'))
  }

  /** Resolves once so many calls were answered. */
  reached(count: number): Promise<void> {
    return this.done >= count ? Promise.resolve() : new Promise((resolve) => (this.#waiting = { count, resolve }))
  }

  async stop(): Promise<void> {
    this.#on = false
    await Promise.all(this.#loops)
  }

  async #loop(client: Client<typeof api>, method: 'square' | 'cube'): Promise<void> {
    for (let value = 1; this.#on; value++) {
      try {
        const answer = await client[method]({ value }, { timer: 10_000 })
        if (answer.value !== value ** (method === 'square' ? 2 : 3)) this.surprises.push(answer)
        this.done++
        if (this.#waiting !== undefined && this.done >= this.#waiting.count) this.#waiting.resolve()
      } catch (error) {
        if (error instanceof PeerloomError) this.failed.push({ method, code: error.code, message: error.message })
        else this.surprises.push(error)
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
  }
}

const isCutOff = ({ method, code }: Failure): boolean =>
  method === 'cube' && ['ERR_CONNECTION_CLOSED', 'ERR_ABORTED', 'ERR_STREAM_RESET'].includes(code)

const gc = ((): (() => void) => {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as () => void
})()

describe('a node whose plugins are replaced while it works', () => {
  // One that fails would otherwise leave a load that calls nobody, as fast as it can, for ever.
  afterEach(async () => {
    await Promise.all(Array.from(Load.all, (load) => load.stop()))
    Load.all.clear()
  })

  it('goes on answering and calling through the handles that everybody holds', async () => {
    await using seed = await createNode({ ...LOCAL, plugins: [calculator] })
    const seeds = [seed.contact]
    await using busy = await createNode({ ...LOCAL, plugins: [calculator], seeds })
    await using caller = await createNode({ ...LOCAL, plugins: [calculator], seeds })
    const inward = caller.peer(busy.id).rpc(api)
    const outward = busy.peer(caller.id).rpc(api)
    const port = () => busy.addresses[0]?.port
    const replacements: Record<string, Plugin> = {
      'its QUIC port': udp.with({ ...LOCAL, port: 0 }),
      'its Router': kademlia,
      'its rpc plugin': rpc,
      'its QUIC transport': quicTransport
    }
    for (const [what, plugin] of Object.entries(replacements)) {
      const before = port()
      const loads = [new Load(inward), new Load(outward)]
      await Promise.all(loads.map((load) => load.reached(16)))
      await busy.kernel.replace(plugin)
      if (what === 'its QUIC port') expect(port()).to.not.equal(before)
      for (const client of [inward, outward]) {
        expect(await client.cube({ value: 3 }), `after ${what} was replaced`).to.deep.equal({ value: 27 })
      }
      for (const load of loads) {
        await load.reached(load.done + 16)
        await load.stop()
        expect(load.surprises).to.deep.equal([])
        // What is not safe to repeat may fail, with a reason; what is safe never does.
        expect(load.failed.filter((failure) => !isCutOff(failure))).to.deep.equal([])
        if (what === 'its Router') expect(load.failed, 'nobody calls by way of the Router').to.deep.equal([])
      }
    }
  }).timeout(30_000)

  it('makes calls wait that come while the plugin is replaced', async () => {
    await using server = await createNode({ ...LOCAL, plugins: [calculator] })
    await using node = await createNode(LOCAL)
    const peer = node.peer(server.contact)
    const client = peer.rpc(api)
    const answer = firstValueFrom(
      node.events.pipe(
        ofType('kernel.replacing'),
        mergeMap(() => {
          expect(node.kernel.state).to.equal('replacing')
          return client.cube({ value: 2 })
        })
      )
    )
    await node.kernel.replace(quicTransport)
    expect(await answer).to.deep.equal({ value: 8 })
    expect((await peer.connect()).peer).to.equal(server.id)
  })

  it('makes calls of streams wait, too, each as long as its signal allows', async () => {
    const count = { count: server<Number_, Number_>() }
    const counter = definePlugin({
      name: 'counter',
      needs: { rpc: RpcRegistry },
      start({ rpc }) {
        const upTo = async function* ({ value }: Number_): AsyncGenerator<Number_> {
          for (let i = 1; i <= value; i++) yield await Promise.resolve({ value: i })
        }
        rpc.register({ count: server<Number_, Number_>(upTo) })
      }
    })
    await using other = await createNode({ ...LOCAL, plugins: [counter] })
    let goOn: () => void = () => undefined
    const slow = definePlugin({ name: 'slow', start: () => new Promise<void>((resolve) => (goOn = resolve)) })
    await using node = await createNode({ ...LOCAL, plugins: [definePlugin({ name: 'slow', start: () => undefined })] })
    const peer = node.peer(other.contact)
    const client = peer.rpc({ ...api, ...count })
    const replaced = node.kernel.replace([quicTransport, slow])
    await firstValueFrom(node.events.pipe(ofType('plugin.starting')))
    expect(node.kernel.state).to.equal('replacing')
    const signal = AbortSignal.abort()
    const ended = [
      client.square({ value: 2 }, { signal }),
      client.cube({ value: 2 }, { signal }),
      client.count({ value: 2 }, { signal }).next(),
      peer.connect({ signal })
    ].map((call) => (call as Promise<unknown>).catch((error: unknown) => (error as PeerloomError).code))
    expect(await Promise.all(ended)).to.deep.equal(ended.map(() => 'ERR_ABORTED'))
    const counted = (async () => {
      const values: number[] = []
      for await (const { value } of client.count({ value: 3 })) values.push(value)
      return values
    })()
    goOn()
    await replaced
    expect(await counted).to.deep.equal([1, 2, 3])
  })

  it('tells of peers across replacements: who was there, who went, who came back', async () => {
    await using server = await createNode({ ...LOCAL, plugins: [calculator] })
    await using node = await createNode(LOCAL)
    const changes: string[] = []
    node.peers$.subscribe(({ type }) => void changes.push(type))
    await node.connect(server.contact)
    await node.kernel.replace(quicTransport)
    await node.connect(server.contact)
    expect(changes).to.deep.equal(['connected', 'disconnected', 'connected'])
  })

  it('puts the old port back when the new one is taken', async () => {
    await using other = await createNode(LOCAL)
    await using node = await createNode({ ...LOCAL, plugins: [calculator] })
    const { contact } = node
    let failure: unknown
    await node.kernel
      .replace(udp.with({ ...LOCAL, port: other.addresses[0]!.port }))
      .catch((error: unknown) => (failure = error))
    expect(failure).to.have.property('code', 'ERR_REPLACE')
    expect((failure as Error).cause).to.have.property('code', 'ERR_SOCKET')
    expect((await node.health()).ready).to.equal(true)
    expect(node.id).to.equal(contact.id)
    expect(await other.peer(node.contact).rpc(api).cube({ value: 2 })).to.deep.equal({ value: 8 })
  })

  it('lets a whole network go over from QUIC to memory, and calls go on', async () => {
    await using first = await createNode({ ...LOCAL, plugins: [calculator] })
    const seeds = [first.contact]
    const rest = await Promise.all(
      Array.from({ length: 4 }, () => createNode({ ...LOCAL, plugins: [calculator], seeds }))
    )
    const nodes = [first, ...rest]
    try {
      // Everybody calls the next one by its id, all the time.
      const loads = nodes.map((node, i) => new Load(node.peer(nodes[(i + 1) % nodes.length]!.id).rpc(api), 2))
      await Promise.all(loads.map((load) => load.reached(4)))
      const network = new MemoryNetwork()
      for (const node of nodes) {
        const { port } = node.addresses[0]!
        // The same address in another network: whoever knew the node knows it still.
        await node.kernel.replace([memoryNetwork.with({ network, ...LOCAL, port }), memoryTransport])
      }
      for (const load of loads) {
        await load.reached(load.done + 20)
        await load.stop()
        expect(load.surprises).to.deep.equal([])
      }
      expect(nodes.map(({ kernel }) => kernel.resolve(Transport).name)).to.deep.equal(
        nodes.map(() => 'memory-transport')
      )
      expect(network.stats.sent).to.be.greaterThan(0)
    } finally {
      await Promise.all(rest.map((node) => node.stop()))
    }
  }).timeout(30_000)

  it('keeps heap, handles and container flat over 100 swaps', async () => {
    await using server = await createNode({ ...LOCAL, plugins: [calculator] })
    await using node = await createNode({ ...LOCAL, plugins: [calculator], seeds: [server.contact] })
    const client = node.peer(server.contact).rpc(api)
    const { container } = node.kernel
    const swaps = [udp.with({ ...LOCAL, port: 0 }), kademlia, rpc, quicTransport]
    const measure = async () => {
      // What a swap leaves to the event loop is over after a call and a turn.
      await client.cube({ value: 1 })
      await new Promise((resolve) => setImmediate(resolve))
      gc()
      return {
        heap: process.memoryUsage().heapUsed,
        handles: process.getActiveResourcesInfo().length,
        entries: (container as unknown as { _registry: { _registryMap: Map<unknown, unknown> } })._registry._registryMap
          .size
      }
    }
    for (let i = 0; i < 20; i++) await node.kernel.replace(swaps[i % swaps.length] as Plugin)
    const before = await measure()
    for (let i = 0; i < 100; i++) await node.kernel.replace(swaps[i % swaps.length] as Plugin)
    const after = await measure()
    expect(after.entries).to.equal(before.entries)
    expect(node.kernel.container).to.equal(container)
    // Timers come and go; a plugin that left even one handle behind would have left 25.
    expect(after.handles).to.be.at.most(before.handles + 10)
    // A swap that kept even one plugin alive would hold tens of kilobytes.
    expect(after.heap - before.heap).to.be.lessThan(1_000_000)
  }).timeout(30_000)
})
