import {
  createKernel,
  Datagrams,
  Identity,
  PeerloomError,
  Transport,
  type Connection,
  type DatagramSocket,
  type Random
} from '#src/kernel/index.js'
import type { Address, NodeId } from '#src/model/index.js'
import { identity } from '#src/plugins/identity/index.js'
import { MemoryNetwork, memoryNetwork, type LinkOptions } from '#src/plugins/memory-network/index.js'
import { paths } from '#src/plugins/paths/index.js'
import { quicTransport } from '#src/plugins/quic-transport/index.js'
import { seededRandom } from '#src/testkit/index.js'
import { addTally, noTally, Pair, type Side, type Tally } from './pair.js'

const HOSTS = ['10.0.0.1', '10.0.0.2'] as const
const LINK: LinkOptions = { latencyMs: [1, 6], lossRate: 0.05, duplicateRate: 0.02 }
/** Connections at a time. */
const CONNECTIONS = 4
/** Few enough for those who open one to have to wait at times. */
const MAX_STREAMS = 64
/** A close that was lost is noticed after that. */
const IDLE_TIMEOUT_MS = 15_000
const KEEP_ALIVE_MS = 1_000
/** Why a connection may stay where it is: nothing was answered over the lossy link in time, or it has ended. */
const STAYS: readonly string[] = ['ERR_PATH', 'ERR_CONNECTION_CLOSED']

interface Node {
  readonly id: NodeId
  readonly address: Address
  readonly transport: Transport
  readonly accepted: () => Promise<Connection>
  /** The primary socket and a further one. */
  readonly sockets: readonly [DatagramSocket, DatagramSocket]
  readonly stop: () => Promise<void>
}

/** Two real nodes with several connections between them, over a link that loses, reorders and doubles. */
export class World {
  /** What did not hold. */
  readonly complaints: string[] = []
  readonly #pairs: Pair[] = []
  readonly #all = new Set<Pair>()
  #dialling: Promise<unknown> = Promise.resolve()
  #redials = 0
  /** The nodes at the ends of each connection. */
  readonly #owners = new WeakMap<Pair, readonly [Node, Node]>()
  readonly #moving = new Set<Pair>()
  /** Moves that were made, and those that were not. */
  readonly moves = { made: 0, failed: 0 }
  /** Of the connections that are over and forgotten. */
  readonly #past = noTally()

  private constructor(
    /** What the actions are drawn from. */
    readonly random: Random,
    private readonly network: MemoryNetwork,
    private readonly nodes: readonly [Node, Node]
  ) {}

  static async create(seed: number): Promise<World> {
    const network = new MemoryNetwork({ ...LINK, random: seededRandom(seed) })
    const nodes = await Promise.all([startNode(network, HOSTS[0]), startNode(network, HOSTS[1])])
    const world = new World(seededRandom(~seed), network, nodes)
    for (let i = 0; i < CONNECTIONS; i++) world.#pairs.push(await world.#dial())
    return world
  }

  /** One of the connections. */
  pick(): Pair {
    return this.#pairs[this.random.int(CONNECTIONS)] as Pair
  }

  side(): Side {
    return this.random.int(2) as Side
  }

  /** Closes the oldest of the connections, with whatever is on it, and dials again. */
  async redial(code: number, reason: string): Promise<void> {
    const slot = this.#redials++ % CONNECTIONS
    const pair = this.#pairs[slot] as Pair
    if (pair.isOver) return
    const [closed, fresh] = [pair.close(this.side(), code, reason), this.#dial()]
    this.#pairs[slot] = await fresh
    await closed
    this.#forget()
  }

  /** Has one end of a connection move it to any of its sockets, by itself or by asking the other end. */
  async migrate(): Promise<void> {
    const pair = this.pick()
    const side = this.side()
    const socket = this.#owners.get(pair)?.[side].sockets[this.random.int(2)]
    if (pair.isOver || this.#moving.has(pair) || socket === undefined) return
    this.#moving.add(pair)
    const end = pair.ends[side]
    try {
      await end.migrate(await end.probe(end.remote, { via: socket }))
      this.moves.made++
    } catch (error) {
      if (!(error instanceof PeerloomError) || !STAYS.includes(error.code)) throw error
      this.moves.failed++
    } finally {
      this.#moving.delete(pair)
    }
  }

  /** Cuts the nodes off from each other; the returned function ends it. */
  cut(): () => void {
    return this.network.partition([HOSTS[0]])
  }

  /** Streams that are not over yet although they must come to their end, in words. */
  get pending(): string[] {
    return [...this.#all].flatMap(({ pending }) => pending)
  }

  /** Stops both nodes, waits until the network is empty, and tells what became of all connections. */
  async stop(): Promise<Tally> {
    for (const pair of this.#all) pair.tally.unheardGivingUp += pair.size
    await Promise.all(this.nodes.map(({ stop }) => stop()))
    while (this.network.stats.inFlight > 0) await new Promise((resolve) => setImmediate(resolve))
    return [...this.#all].reduce((sum, { tally }) => addTally(sum, tally), this.#past)
  }

  /** One after another, so that it is known which dial an accepted connection belongs to. */
  #dial(): Promise<Pair> {
    const ends = this.side() === 0 ? this.nodes : ([this.nodes[1], this.nodes[0]] as const)
    const [from, to] = ends
    const dialled = this.#dialling.then(async () => {
      const near = await dialLossy(from, to)
      const far = await to.accepted()
      const pair = new Pair([near, far], (what) => this.complaints.push(what))
      this.#all.add(pair)
      this.#owners.set(pair, ends)
      return pair
    })
    this.#dialling = dialled.catch(() => undefined)
    return dialled
  }

  /** Lets go of connections that are over. */
  #forget(): void {
    for (const pair of this.#all) {
      if (!pair.isOver || pair.size > 0) continue
      this.#all.delete(pair)
      addTally(this.#past, pair.tally)
    }
  }
}

/** Dials until it is answered: about one handshake in a thousand loses all its tries on such a link. */
async function dialLossy(from: Node, to: Node, triesLeft = 3): Promise<Connection> {
  try {
    return await from.transport.dial(to.id, to.address)
  } catch (error) {
    if (!(error instanceof PeerloomError) || error.code !== 'ERR_DIAL' || triesLeft === 1) throw error
    return dialLossy(from, to, triesLeft - 1)
  }
}

async function startNode(network: MemoryNetwork, host: string): Promise<Node> {
  const quic = { maxStreams: MAX_STREAMS, idleTimeoutMs: IDLE_TIMEOUT_MS, keepAliveMs: KEEP_ALIVE_MS }
  const kernel = createKernel({
    plugins: [identity, memoryNetwork.with({ network, host }), paths, quicTransport.with(quic)]
  })
  await kernel.start()
  const transport = kernel.resolve(Transport)
  const datagrams = kernel.resolve(Datagrams)
  const further = await datagrams.open()
  transport.carry(further)
  const arrived: Connection[] = []
  const waiting: ((connection: Connection) => void)[] = []
  transport.onConnection = (connection) => {
    const waiter = waiting.shift()
    if (waiter === undefined) arrived.push(connection)
    else waiter(connection)
  }
  return {
    id: kernel.resolve(Identity).nodeId,
    address: datagrams.primary.local,
    transport,
    sockets: [datagrams.primary, further],
    accepted: () => {
      const connection = arrived.shift()
      return connection === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(connection)
    },
    stop: () => kernel.stop()
  }
}
