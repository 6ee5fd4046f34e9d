import {
  abortReason,
  ConnectionPool,
  createKernel,
  definePlugin,
  Identity,
  PeerloomError,
  Router,
  RpcCode,
  RpcError,
  RpcRegistry,
  sleep,
  type Connection,
  type Handlers,
  type Kernel,
  type KernelEvent,
  type MethodMap,
  type RegisterOptions
} from '#src/kernel/index.js'
import { Address, type Contact, type NodeId } from '#src/model/index.js'
import { kademlia, type KademliaOptions } from '#src/plugins/kademlia/index.js'
import { VirtualClock } from '#src/testkit/index.js'
import { contact, seeded } from './support.js'

type Unary = Handlers<unknown, unknown>['unary']
type Watcher = (connection: Connection) => void

/** One node, with all below Kademlia replaced by calls with a delay. */
export interface SmallNode {
  readonly contact: Contact
  readonly kernel: Kernel
  readonly router: Router
  readonly events: readonly KernelEvent[]
  /** What others can call; a test may replace a method to make the node hostile. */
  readonly methods: Map<string, Unary>
  readonly connections: Map<NodeId, Connection>
  /** How long it wants unused connections to be kept. */
  readonly stays: Map<NodeId, number>
  /** Says that a connector could not reach a peer. */
  readonly report: (peer: NodeId) => void
  /** Whom it dialled. */
  readonly dialled: NodeId[]
  /** Who is told of new connections. */
  readonly watchers: Set<Watcher>
}

/** A network in which each call takes a fixed time and whoever is gone does not answer. */
export class SmallWorld {
  readonly clock = new VirtualClock()
  readonly nodes = new Map<NodeId, SmallNode>()
  /** Cuts a node off from all others without stopping it. */
  readonly cut = new Set<NodeId>()

  constructor(private readonly latencyMs = 50) {}

  async start(n: number, options: KademliaOptions = {}): Promise<SmallNode> {
    const own = contact(n)
    const methods = new Map<string, Unary>()
    const connections = new Map<NodeId, Connection>()
    const stays = new Map<NodeId, number>()
    const dialled: NodeId[] = []
    const watchers = new Set<Watcher>()
    let report: SmallNode['report'] = () => undefined
    const below = definePlugin({
      name: 'below',
      provides: { rpc: RpcRegistry, pool: ConnectionPool, identity: Identity },
      start: (_, { events: { emit } }) => {
        report = (peer) => {
          emit('connect.failed', { peer, error: undefined, ms: 0 })
        }
        return {
          rpc: this.#rpc(own, methods),
          pool: this.#pool(own, connections, dialled, watchers, stays),
          identity: { nodeId: own.id } as Identity
        }
      }
    })
    const kernel = createKernel({
      plugins: [below, kademlia.with(options)],
      clock: this.clock,
      random: seeded(n)
    })
    const events: KernelEvent[] = []
    kernel.events.subscribe((event) => events.push(event))
    await kernel.start()
    const router = kernel.resolve(Router)
    const node = { contact: own, kernel, router, events, methods, connections, stays, report, dialled, watchers }
    this.nodes.set(own.id, node)
    return node
  }

  /** Starts nodes that all join through the first. */
  async network(count: number, options?: KademliaOptions): Promise<SmallNode[]> {
    const seed = await this.start(0, options)
    const nodes = [seed]
    for (let n = 1; n < count; n++) {
      const node = await this.start(n, options)
      await this.clock.until(node.router.join([seed.contact]))
      nodes.push(node)
    }
    return nodes
  }

  async kill(node: SmallNode): Promise<void> {
    this.nodes.delete(node.contact.id)
    for (const other of this.nodes.values()) other.connections.delete(node.contact.id)
    await this.clock.until(node.kernel.stop())
  }

  async stop(): Promise<void> {
    for (const node of [...this.nodes.values()]) await this.kill(node)
  }

  #reachable(from: NodeId, to: NodeId): SmallNode | undefined {
    return this.cut.has(from) || this.cut.has(to) ? undefined : this.nodes.get(to)
  }

  #pool(
    own: Contact,
    connections: Map<NodeId, Connection>,
    dialled: NodeId[],
    watchers: Set<Watcher>,
    stays: Map<NodeId, number>
  ): ConnectionPool {
    const link = (peer: Contact, direction: 'inbound' | 'outbound'): Connection =>
      ({ id: `${peer.id} ${direction}`, peer: peer.id, remote: peer.addresses[0], direction }) as Connection
    return {
      get: (peer) => connections.get(peer),
      stay: (peer, tag, ms) => {
        if (ms === 0) stays.delete(peer)
        else stays.set(peer, ms)
      },
      onConnection: (watcher) => {
        watchers.add(watcher)
        for (const connection of connections.values()) watcher(connection)
        return () => watchers.delete(watcher)
      },
      dial: async (target, { signal } = {}) => {
        const live = connections.get(target.id)
        if (live !== undefined) return live
        dialled.push(target.id)
        await sleep(this.clock, this.latencyMs, signal)
        const node = this.#reachable(own.id, target.id)
        const address = node?.contact.addresses[0]
        if (node === undefined || !target.addresses.some((each) => Address.equals(each, address!))) {
          await sleep(this.clock, 3_000, signal)
          throw new PeerloomError('ERR_DIAL', 'nobody answers')
        }
        const inbound = link(own, 'inbound')
        node.connections.set(own.id, inbound)
        for (const watcher of node.watchers) watcher(inbound)
        const connection = link(node.contact, 'outbound')
        connections.set(target.id, connection)
        for (const watcher of watchers) watcher(connection)
        return connection
      }
    } as Partial<ConnectionPool> as ConnectionPool
  }

  #rpc(own: Contact, methods: Map<string, Unary>): RpcRegistry {
    return {
      methods: [],
      register: (map: MethodMap, { namespace }: RegisterOptions = {}) => {
        const served = Object.entries(map as unknown as Record<string, { readonly handle: Unary }>)
        for (const [name, { handle }] of served) methods.set(`${namespace}.${name}`, handle)
        return () => undefined
      },
      client: (connection: Connection, manifest: object, { namespace }: RegisterOptions = {}) => {
        const call =
          (name: string) =>
          (input: unknown, options: { signal?: AbortSignal } = {}) =>
            this.#call(own, connection.peer, `${namespace}.${name}`, input, options.signal)
        return Object.fromEntries(Object.keys(manifest).map((name) => [name, call(name)]))
      }
    } as unknown as RpcRegistry
  }

  async #call(own: Contact, peer: NodeId, method: string, input: unknown, signal?: AbortSignal): Promise<unknown> {
    if (signal?.aborted === true) throw abortReason(signal)
    await sleep(this.clock, this.latencyMs, signal)
    const node = this.#reachable(own.id, peer)
    // Silence: only the caller's deadline ends it.
    if (node === undefined) return sleep(this.clock, 3_600_000, signal)
    const meta = { nodeId: own.id, connection: `${own.id} inbound`, remote: Address.format(own.addresses[0]!) }
    let output: unknown
    try {
      const given: unknown = JSON.parse(JSON.stringify(input))
      output = await node.methods.get(method)!(given, { meta, signal: new AbortController().signal } as never)
    } catch (error) {
      throw new RpcError(RpcCode.HANDLER_FAILED, String(error), { cause: error })
    }
    await sleep(this.clock, this.latencyMs, signal)
    return output === undefined ? undefined : JSON.parse(JSON.stringify(output))
  }
}
