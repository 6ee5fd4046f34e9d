import { setMaxListeners } from 'node:events'
import {
  AbortError,
  fromClass,
  InvalidInputError,
  messageOf,
  sleep,
  type Clock,
  type Plugin
} from '../../kernel/index.js'
import { createNode, type Node } from '../../node.js'
import { identity } from '../../plugins/identity/index.js'
import { memoryNetwork, type MemoryHost, type MemoryNetwork } from '../../plugins/memory-network/index.js'
import { memoryTransport } from '../../plugins/memory-transport/index.js'
import { stopped } from '../stop-after-test.js'
import { VirtualClock } from '../virtual-clock.js'
import type { AddOptions, TestNetworkOptions, TestPlugins } from './create.js'
import { EventLog, type LoggedEvent } from './event-log.js'
import { hostAddress, keySeed, randomFor } from './identities.js'

/** The UDP port of every node. */
export const TEST_PORT = 4433

type Tuple<N extends number, T extends readonly Node[] = []> = T['length'] extends N
  ? T
  : Tuple<N, readonly [...T, Node]>

/** The nodes of a network: as many as were asked for, if their number is known when compiling, and those added later. */
export type NodesOf<N extends number> = number extends N ? readonly Node[] : readonly [...Tuple<N>, ...Node[]]

type Settings = TestNetworkOptions & { readonly seed: number }

/** A network of nodes in this process; made by `createTestNetwork`. */
export class TestNetwork<N extends number = number> implements AsyncDisposable {
  readonly #nodes: Node[] = []
  readonly #log = new EventLog()
  readonly #settings: Settings
  /** Nodes by index, from the moment when they begin to start. */
  readonly #starting: Promise<Node>[] = []
  /** Aborted by a stop: then nodes that are still starting give up, and none comes after them. */
  readonly #stopping = new AbortController()

  constructor(
    /** The time that the nodes live in. */
    readonly clock: Clock,
    /** What is between them: change links, read what became of datagrams, give hosts names. */
    readonly network: MemoryNetwork,
    settings: Settings
  ) {
    this.#settings = settings
    // Every node that starts listens; more than ten of them are no leak.
    setMaxListeners(0, this.#stopping.signal)
  }

  /** All nodes that were made, in order; those stopped by the test included. */
  get nodes(): NodesOf<N> {
    return this.#nodes as unknown as NodesOf<N>
  }

  /** How many nodes were made or are being made. */
  get size(): number {
    return this.#starting.length
  }

  /** Everything that happened in any node so far, in order, as plain data. */
  get events(): readonly LoggedEvent[] {
    return this.#log.events
  }

  /** Events that were not kept because there were too many. */
  get eventsDropped(): number {
    return this.#log.dropped
  }

  /** Adds a node and waits until it has joined. Rejects as `createNode` does. */
  async add(options: AddOptions = {}): Promise<Node> {
    return this.until(this.#start(options))
  }

  /** Adds nodes, one after another, or all at once. All have started or failed when it rejects. */
  async populate(count: number, together: boolean): Promise<void> {
    for (let i = 0; i < count && !together; i++) await this.add()
    if (!together) return
    const started = Array.from({ length: count }, () => this.#start({}))
    const failed = (await this.until(Promise.allSettled(started))).find(({ status }) => status === 'rejected')
    if (failed?.status === 'rejected') throw failed.reason
  }

  #start(options: AddOptions): Promise<Node> {
    const index = this.#starting.length
    const starting = this.#make(index, options)
    this.#starting.push(starting)
    return starting
  }

  async #make(index: number, { plugins, join }: AddOptions): Promise<Node> {
    const { seed, log, plugins: given = [], join: plan = joinByFirst } = this.#settings
    const own = plugins ?? (typeof given === 'function' ? given(index) : given)
    const seeds = join ?? (await Promise.all(plan(index).map((of) => this.#started(of, index))))
    const node = await createNode({
      clock: this.clock,
      random: randomFor(seed, `node ${index}`),
      signal: this.#stopping.signal,
      plugins: [this.#log.recorder(index), ...withDefaults(own, this.#defaults(index))],
      ...(seeds.length === 0 ? {} : { seeds: seeds.map(({ contact }) => contact) }),
      ...(log === undefined ? {} : { log })
    })
    this.#nodes[index] = node
    return node
  }

  /** Lets time go on: virtual time at once, real time by waiting. */
  async run(ms: number): Promise<void> {
    if (!(ms >= 0 && ms < Infinity)) throw new InvalidInputError(`no time that can pass: ${String(ms)} ms`)
    if (this.clock instanceof VirtualClock) await this.clock.advance(ms)
    else await sleep(this.clock, ms)
  }

  /** Lets time go on until a promise settles. In virtual time it rejects when nothing is left that could settle it. */
  async until<T>(promise: PromiseLike<T>): Promise<T> {
    return this.clock instanceof VirtualClock ? this.clock.until(promise) : promise
  }

  /** The simulated host of a node of this network. */
  hostOf(node: Node): MemoryHost {
    const index = this.#nodes.indexOf(node)
    if (index < 0) throw new Error('the node is none of this network')
    return this.network.host(hostAddress(index))
  }

  /** Cuts nodes off from all others, until the returned function is called. */
  partition(nodes: readonly Node[]): () => void {
    return this.network.partition(nodes.map((node) => this.hostOf(node).address))
  }

  /** Takes a node's host off the network without a word to anyone, until the returned function is called. */
  vanish(node: Node): () => void {
    return this.network.vanish(this.hostOf(node).address)
  }

  /**
   * Stops all nodes, the latest first, and gives up those that are still starting; none can be added after that. One
   * that fails keeps no other from stopping; the error then names each.
   */
  async stop(): Promise<void> {
    this.#stopping.abort(new AbortError('the test network was stopped'))
    await this.until(Promise.allSettled(this.#starting))
    const failures: Error[] = []
    for (const [index, node] of [...this.#nodes.entries()].reverse()) {
      // A node that failed to start has left a gap.
      if ((node as Node | undefined) === undefined) continue
      try {
        await this.until(node.stop())
      } catch (cause) {
        failures.push(new Error(`node ${index} did not stop: ${messageOf(cause)}`, { cause }))
      }
    }
    stopped(this)
    if (failures.length > 0) throw new AggregateError(failures, failures.map(messageOf).join('; '))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #started(index: number, by: number): Promise<Node> {
    const node = index < by ? this.#starting[index] : undefined
    if (node === undefined) throw new RangeError(`node ${by} cannot join by node ${index}: it comes no earlier`)
    return node
  }

  #defaults(index: number): Plugin[] {
    return [
      memoryNetwork.with({ network: this.network, host: hostAddress(index), port: TEST_PORT }),
      memoryTransport,
      identity.with({ seed: keySeed(this.#settings.seed, index) })
    ]
  }
}

function joinByFirst(index: number): readonly number[] {
  return index === 0 ? [] : [0]
}

/** Plugins, and those of the defaults whose name and contracts they leave free. */
function withDefaults(own: TestPlugins, defaults: readonly Plugin[]): TestPlugins {
  const plugins = own.map((plugin) => (typeof plugin === 'function' ? fromClass(plugin) : plugin))
  const taken = new Set<unknown>(plugins.flatMap(({ name, provides }) => [name, ...Object.values(provides)]))
  const isFree = ({ name, provides }: Plugin): boolean =>
    ![name, ...Object.values(provides)].some((one) => taken.has(one))
  return [...plugins, ...defaults.filter(isFree)]
}
