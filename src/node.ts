import { join } from 'node:path'
import { defer, EMPTY, mergeMap, type Observable } from 'rxjs'
import type { DependencyContainer } from 'tsyringe'
import {
  Connector,
  ConnectionPool,
  createKernel,
  Identity,
  KernelError,
  Records,
  Router,
  SelfContact,
  systemRandom,
  toPlugin,
  type AnyToken,
  type Clock,
  type Connection,
  type ConnectStep,
  type Kernel,
  type KernelEvent,
  type KernelHealth,
  type Logger,
  type PeerChange,
  type Plugin,
  type PluginClass,
  type Random
} from './kernel/index.js'
import { checkOptions } from './checked-options.js'
import { Contact, InvalidInputError, NodeId, type Address } from './model/index.js'
import { makePeer, type Peer } from './peer.js'
import { bootstrap } from './plugins/bootstrap/index.js'
import { connectionPool } from './plugins/connection-pool/index.js'
import { connector } from './plugins/connector/index.js'
import { identity } from './plugins/identity/index.js'
import { kademlia } from './plugins/kademlia/index.js'
import { paths } from './plugins/paths/index.js'
import { quicTransport } from './plugins/quic-transport/index.js'
import { rpc } from './plugins/rpc/index.js'
import { selfContact } from './plugins/self-contact/index.js'
import { levelStore, memoryStore } from './plugins/store/index.js'
import { udp } from './plugins/udp/index.js'

export type { Peer } from './peer.js'

/** Names in the directory of a node. */
const KEY_FILE = 'node.key'
const STORE_DIRECTORY = 'store'

export interface NodeOptions {
  /**
   * Your plugins. One that provides a contract which a standard plugin provides, or has its name, takes its place:
   * `memoryTransport` replaces QUIC, `kademlia.with({…})` configures the router.
   */
  readonly plugins?: readonly (Plugin | PluginClass)[]
  /** Nodes by way of which this one joins the network. A seed that is down stops nothing; it is tried again. */
  readonly seeds?: readonly (string | Contact)[]
  /**
   * The directory in which the node keeps what is to outlive the process: its key (`node.key`, unless `keyFile` says
   * otherwise) and its store (`store/`). Made if it does not exist. Without it, key and store live as long as the `Node`.
   */
  readonly directory?: string
  /** Where the node's key is kept; made if it does not exist. */
  readonly keyFile?: string
  /** The host to listen on; all interfaces unless given. */
  readonly host?: string
  /** The UDP port to listen on; any free one unless given. */
  readonly port?: number
  /** Addresses `host:port` at which others reach this node, if it cannot know them itself. */
  readonly announce?: readonly string[]
  /**
   * The tsyringe container of the application that embeds the node. A contract that is registered there takes the
   * place of the standard plugin that provides it.
   */
  readonly container?: DependencyContainer
  readonly log?: Logger
  readonly clock?: Clock
  readonly random?: Random
  /** Gives the start up when aborted. */
  readonly signal?: AbortSignal
}

export interface Cancellable {
  readonly signal?: AbortSignal | undefined
}

/**
 * A node of the network: what an application holds. Made by {@link createNode}. It stays the same while plugins are
 * replaced by `node.kernel.replace(…)`, and so do the peers, clients and subscriptions made from it.
 *
 * While it is stopped, whatever asks for the network throws, rejects or fails with `ERR_STATE`; `events`, `peers$`,
 * `peer`, `health`, `start` and `stop` go on working.
 */
export class Node implements AsyncDisposable {
  /** The kernel underneath, for resolving other contracts. */
  readonly kernel: Kernel
  #id: NodeId | undefined

  constructor(kernel: Kernel) {
    this.kernel = kernel
    kernel.watch(Identity).subscribe((identity) => {
      if (identity !== undefined) this.#id = identity.nodeId
    })
  }

  /** Known from the first start on; throws `ERR_STATE` before. */
  get id(): NodeId {
    return this.#id ?? this.kernel.resolve(Identity).nodeId
  }

  /** This node's id and addresses; prints as the text that others take as a seed. */
  get contact(): Contact {
    return this.kernel.resolve(SelfContact).contact
  }

  get addresses(): readonly Address[] {
    return this.contact.addresses
  }

  /** Peers as they connect and disconnect, restarts included. */
  get peers$(): Observable<PeerChange> {
    // Merged, not switched: the last thing that a pool tells is who was disconnected by its end.
    return this.kernel.watch(ConnectionPool).pipe(mergeMap((pool) => pool?.peers$ ?? EMPTY))
  }

  /** Everything that happens in this node, restarts included. Filter by `attempt` to follow one connection. */
  get events(): Observable<KernelEvent> {
    return this.kernel.events
  }

  /** Finds a node by its id, or uses the contact given, and connects. Rejects with a `ConnectError` that says why not. */
  async connect(target: string | Contact, options?: Cancellable): Promise<Connection> {
    return this.kernel.resolve(Connector).connect(targetOf(target), options)
  }

  /** The same, step by step: discovery, dialling, connected. Unsubscribing cancels. */
  connect$(target: string | Contact, options?: Cancellable): Observable<ConnectStep> {
    return defer(() => this.kernel.resolve(Connector).connect$(targetOf(target), options))
  }

  /** A handle for another node, by its id or contact; throws `ERR_INVALID_INPUT` if it is malformed. */
  peer(target: string | Contact): Peer {
    return makePeer(this.kernel, targetOf(target))
  }

  /** Looks a node up without connecting to it; rejects with `ERR_NOT_FOUND`. */
  async find(id: string, options?: Cancellable): Promise<Contact> {
    return this.kernel.resolve(Router).find(NodeId.parse(id), options)
  }

  /** Stores a value in the network under its SHA-256. Needs a plugin that provides `Records`. */
  async put(value: Uint8Array, options?: Cancellable): Promise<Uint8Array> {
    return this.kernel.resolve(Records).put(value, options)
  }

  /** A value of the network. Needs a plugin that provides `Records`. */
  async get(key: Uint8Array, options?: Cancellable): Promise<Uint8Array> {
    return this.kernel.resolve(Records).get(key, options)
  }

  /** Says that this node provides what the key names. Needs a plugin that provides `Records`. */
  async provide(key: Uint8Array, options?: Cancellable): Promise<() => void> {
    return this.kernel.resolve(Records).provide(key, options)
  }

  /** Nodes that provide what the key names. Needs a plugin that provides `Records`. */
  providers(key: Uint8Array, options?: Cancellable): Observable<Contact> {
    return defer(() => this.kernel.resolve(Records).providers$(key, options))
  }

  health(): Promise<KernelHealth> {
    return this.kernel.health()
  }

  /** Starts the node again after `stop`; does nothing while it runs. */
  start(options?: Cancellable): Promise<void> {
    return this.kernel.start(options)
  }

  /** Stops everything in order. Idempotent; rejects with `ERR_STOP` if something went wrong on the way. */
  stop(): Promise<void> {
    return this.kernel.stop()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}

function targetOf(target: string | Contact): NodeId | Contact {
  if (target instanceof Contact) return target
  if (typeof (target as unknown) !== 'string')
    throw new InvalidInputError('expected a node id or a contact, or the text of one')
  return target.includes('@') ? Contact.parse(target) : NodeId.parse(target)
}

/** The plugins of an ordinary node, configured by its options. */
function standardPlugins(options: NodeOptions): Plugin[] {
  const { directory, host, port, announce, seeds = [] } = options
  const keyFile = options.keyFile ?? (directory === undefined ? undefined : join(directory, KEY_FILE))
  return [
    // A key that is kept nowhere still outlives a restart of the node.
    identity.with(keyFile === undefined ? { seed: Uint8Array.from(systemRandom.bytes(32)) } : { keyFile }),
    directory === undefined ? memoryStore : levelStore.with({ directory: join(directory, STORE_DIRECTORY) }),
    udp.with({ ...(host === undefined ? {} : { host }), ...(port === undefined ? {} : { port }) }),
    paths,
    quicTransport,
    connectionPool,
    rpc,
    selfContact.with({ announce: [...(announce ?? [])] }),
    kademlia,
    connector,
    bootstrap.with({ seeds: [...seeds] })
  ]
}

/** Standard plugins, but for those whose name or contract one of the user's takes. */
function assemble(options: NodeOptions): Plugin[] {
  const own = (options.plugins ?? []).map(toPlugin)
  const taken = new Set(own.flatMap(({ provides }) => Object.values(provides)))
  const names = new Set(own.map(({ name }) => name))
  const isTaken = (token: AnyToken): boolean =>
    taken.has(token) || options.container?.isRegistered(token, true) === true
  const isReplaced = ({ name, provides }: Plugin): boolean => names.has(name) || Object.values(provides).some(isTaken)
  const standard = standardPlugins(options)
  const settings = {
    identity: ['keyFile'],
    'level-store': ['directory'],
    udp: ['host', 'port'],
    'self-contact': ['announce'],
    bootstrap: ['seeds']
  }
  for (const plugin of standard.filter(isReplaced)) {
    for (const setting of (settings as Record<string, string[]>)[plugin.name] ?? []) {
      if (options[setting as keyof NodeOptions] === undefined) continue
      throw new KernelError(
        'ERR_CONFIG',
        `"${setting}" configures ${plugin.name}, which a plugin or contract of yours replaces; configure that one`
      )
    }
  }
  // The user's first: one that needs nothing, such as telemetry, then starts before all others and stops after them.
  return [...own, ...standard.filter((plugin) => !isReplaced(plugin))]
}

/**
 * A node that has everything but its start, for frameworks that construct first and start later: `node.start()`.
 * Throws `ERR_CONFIG` and `ERR_PLUGIN`.
 */
export function prepareNode(options: Omit<NodeOptions, 'signal'> = {}): Node {
  checkOptions(options)
  const { container, log, clock, random } = options
  const kernel = createKernel({
    plugins: assemble(options),
    ...(container === undefined ? {} : { container }),
    ...(log === undefined ? {} : { log }),
    ...(clock === undefined ? {} : { clock }),
    ...(random === undefined ? {} : { random })
  })
  return new Node(kernel)
}

/**
 * Makes and starts a node.
 *
 * Rejects with `ERR_CONFIG`, `ERR_PLUGIN`, `ERR_GRAPH`, `ERR_START` (its `cause` is what the plugin that failed
 * threw), or the signal's reason; nothing is left running then.
 *
 * @example
 * await using node = await createNode({ plugins: [calculator], seeds: ['v3f…@203.0.113.7:4433'] })
 * const { value } = await node.peer('v9k…').rpc(calculatorApi).square({ value: 12 })
 */
export async function createNode(options: NodeOptions = {}): Promise<Node> {
  const node = prepareNode(options)
  await node.start({ signal: options.signal })
  return node
}
