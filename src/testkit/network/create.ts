import * as v from 'valibot'
import { KernelError, systemClock, type Clock, type Logger, type Plugin, type PluginClass } from '../../kernel/index.js'
import type { Node } from '../../node.js'
import { MemoryNetwork, type Link, type LinkOptions } from '../../plugins/memory-network/index.js'
import { stopAfterTest } from '../stop-after-test.js'
import { VirtualClock } from '../virtual-clock.js'
import { hostAddress, randomFor } from './identities.js'
import { TestNetwork } from './test-network.js'

/** Between two hosts unless `links` says something else. */
const DEFAULT_LINK: LinkOptions = { latencyMs: 10 }

/** The plugins of a node beside the standard ones. One that provides a contract replaces whatever else would. */
export type TestPlugins = readonly (Plugin | PluginClass)[]

export interface AddOptions {
  /** The node's own plugins, instead of those that the network's options give it. */
  readonly plugins?: TestPlugins
  /** Nodes by way of which it joins, instead of those that the network's options give it. */
  readonly join?: readonly Node[]
}

export interface TestNetworkOptions<N extends number = number> {
  /** How many nodes there are at first; 2 unless given. */
  readonly nodes?: N
  /** Plugins for every node, or for the node of an index. */
  readonly plugins?: TestPlugins | ((node: number) => TestPlugins)
  /** How datagrams travel: the same everywhere, or from one node to another, by their indices. 10 ms unless given. */
  readonly links?: LinkOptions | ((from: number, to: number) => Link | LinkOptions)
  /** Virtual time passes as fast as the nodes can work, and reproducibly; QUIC needs `real`. `virtual` unless given. */
  readonly time?: 'virtual' | 'real'
  /** Everything that is left to chance follows from it: identities, delays, losses, the nodes' own choices. 1. */
  readonly seed?: number
  /**
   * By way of whom the node of an index joins, as indices of earlier nodes; the first node unless given. A node that
   * joins by nobody knows nobody.
   */
  readonly join?: (node: number) => readonly number[]
  /**
   * Whether all nodes start at once, each as soon as those are there by which it joins. Many nodes are sooner done then,
   * but have yet to hear of each other; one after another, they know each other from the start. `false` unless given.
   */
  readonly together?: boolean
  readonly log?: Logger
}

/**
 * A network of nodes in this process: whole nodes, each on a simulated host of its own, with a deterministic identity,
 * joined by the first. Everything happens in virtual time unless asked for otherwise, so a minute takes no time,
 * and the same seed gives the same events in the same order.
 *
 * The nodes are the standard ones but for `memory-network` and `memory-transport`; `plugins` adds or replaces. For QUIC
 * give `{ time: 'real', plugins: [quicTransport] }`. What a test leaves running is stopped by `stopAll`, which
 * `mocha --require peerloom/testkit/mocha` calls after each test.
 *
 * Rejects as `createNode` does, with nothing left running.
 *
 * @example
 * it('hears from the others', async () => {
 *   await using network = await createTestNetwork({ nodes: 3, plugins: [census], links: { latencyMs: [20, 80] } })
 *   const [alice, bob, carol] = network.nodes
 *   const { value } = await network.until(alice.peer(carol.id).rpc(calculatorApi).square({ value: 12 }))
 *   const heal = network.partition([alice])
 *   await network.run(60_000)
 *   heal()
 *   network.vanish(bob)
 *   expect(network.events.filter(({ type }) => type === 'connection.closed')).to.have.length(2)
 * })
 */
export async function createTestNetwork<const N extends number = 2>(
  options: TestNetworkOptions<N> = {}
): Promise<TestNetwork<N>> {
  checkOptions(options)
  const { nodes = 2, seed = 1, time = 'virtual', links = DEFAULT_LINK, together = false } = options
  const clock: Clock = time === 'virtual' ? new VirtualClock() : systemClock
  const network = new MemoryNetwork({ clock, random: randomFor(seed, 'links') })
  const made = new TestNetwork<N>(clock, network, { ...options, seed })
  if (typeof links !== 'function') network.setLink(links)
  else {
    const indices = new Map<string, number>()
    const indexOf = (address: string): number => {
      // Hosts of nodes that are still to come are known by their addresses, too.
      for (let next = indices.size; !indices.has(address) && next <= made.size; next++) {
        indices.set(hostAddress(next), next)
      }
      return indices.get(address) ?? -1
    }
    network.setLinks((from, to) => links(indexOf(from), indexOf(to)))
  }
  stopAfterTest(made, { name: `the test network of seed ${String(seed)}` })
  try {
    await made.populate(nodes, together)
  } catch (error) {
    await made.stop().catch(() => undefined)
    throw error
  }
  return made
}

const isFunction = (value: unknown): boolean => typeof value === 'function'
const either = (fits: (value: unknown) => boolean, expectation: string) =>
  v.optional(v.custom<unknown>((value) => fits(value) || isFunction(value), `expected ${expectation} or a function`))

const shape = v.strictObject({
  nodes: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0))),
  plugins: either(Array.isArray, 'a list'),
  links: either((value) => typeof value === 'object' && value !== null, 'options of a link'),
  time: v.optional(v.picklist(['virtual', 'real'])),
  seed: v.optional(v.pipe(v.number(), v.integer())),
  join: v.optional(v.custom<unknown>(isFunction, 'expected a function')),
  together: v.optional(v.boolean()),
  log: v.optional(v.unknown())
})

/** A test that asks for something else than it believes would be worth nothing. Throws `ERR_CONFIG`. */
function checkOptions(options: unknown): void {
  const { issues } = v.safeParse(shape, options)
  if (issues === undefined) return
  const problems = issues.map((issue) => `\n  - ${v.getDotPath(issue) ?? 'options'}: ${issue.message}`)
  throw new KernelError('ERR_CONFIG', `bad options of a test network:${problems.join('')}`)
}
