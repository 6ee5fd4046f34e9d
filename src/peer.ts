import {
  checkPolicies,
  Clock,
  CloseCode,
  ConnectionClosedError,
  ConnectionPool,
  Connector,
  Random,
  repeat,
  RpcRegistry,
  StreamResetError,
  wasCutOff,
  withPolicies,
  type CallOptions,
  type Client,
  type ClientOptions,
  type Connection,
  type Kernel,
  type Manifest,
  type MethodDescription,
  type PoolDialOptions,
  type RetryPolicy,
  type UnaryCall
} from './kernel/index.js'
import { Contact, type NodeId } from './model/index.js'

interface Cancellable {
  readonly signal?: AbortSignal | undefined
}

type Connecting = Pick<PoolDialOptions, 'signal' | 'maxSilenceMs' | 'early'>

/**
 * Another node, reachable or not. Holding one costs nothing; connecting happens when it is first called. It outlives
 * restarts of the node and replacements of its plugins: what is asked for while a plugin is replaced waits until that
 * is done, and what was under way ends in a typed error, or is repeated if that is safe.
 */
export interface Peer {
  readonly id: NodeId
  /**
   * The peer's methods as functions. They connect when called, and live as long as the node. A call of a method marked
   * `idempotent` that is cut off (a connection ends, a plugin of either side is replaced) is made again, up to 3 times.
   * So is any unary call that the peer has not seen, because it was just closing a connection that nobody used. A unary
   * call of an `idempotent` method takes policies (`retry`, `hedge`), which then say how often it is made again, and may
   * be sent before the peer has answered, where the transport allows early data.
   */
  rpc<const M extends Manifest>(manifest: M, options?: ClientOptions): Client<M>
  /** What the peer offers to this node, by its own account: names, kinds, deadlines and limits. */
  methods(options?: CallOptions): Promise<MethodDescription[]>
  /** A live connection to the peer; rejects with a `ConnectError`. */
  connect(options?: Cancellable): Promise<Connection>
}

/** How often something that is safe to repeat is made again after it was cut off. */
export const MAX_REPEATS = 3
/** The pause before the first repetition; each further one is twice as long. */
const REPEAT_DELAY_MS = 100
/** How often a call is made again that has policies, but says nothing of this. */
const CUT_OFF: RetryPolicy = { attempts: MAX_REPEATS + 1, backoffMs: REPEAT_DELAY_MS, codes: [] }

export function makePeer(kernel: Kernel, target: NodeId | Contact): Peer {
  const id = target instanceof Contact ? target.id : target
  const connect = (options?: Connecting): Promise<Connection> =>
    // To connect twice does no harm: there is one connection a peer.
    repeatedly(kernel, options?.signal, async () => {
      const live = await kernel.resolve(ConnectionPool).check(id, options)
      return live ?? kernel.resolve(Connector).connect(target, options)
    })
  return {
    id,
    connect: (options) => connect(options),
    methods: (options) =>
      repeatedly(kernel, options?.signal, () => kernel.resolve(RpcRegistry).methodsOf(connect, options)),
    rpc: (manifest, options) => lastingClient(kernel, id, connect, manifest, options)
  }
}

/** A client that outlives restarts: each call goes through the registry that is there then. */
function lastingClient<const M extends Manifest>(
  kernel: Kernel,
  id: NodeId,
  connect: (options: Connecting) => Promise<Connection>,
  manifest: M,
  options: ClientOptions = {}
): Client<M> {
  const { retry, hedge, ...rest } = options
  checkPolicies({ retry, hedge })
  type Functions = Record<string, (...args: unknown[]) => unknown>
  type Clients = Record<'careful' | 'bold' | 'early', Functions>
  let made: { readonly registry: RpcRegistry; readonly clients: Clients } | undefined
  // What is safe to repeat need not wait until the peer has shown that it is still there; nor, if it is repeated when it
  // is lost, until a new connection has an answer.
  const boldly = ({ signal }: Cancellable): Promise<Connection> => connect({ signal, maxSilenceMs: Infinity })
  const early = ({ signal }: Cancellable): Promise<Connection> =>
    connect({ signal, maxSilenceMs: Infinity, early: true })
  const present = (): Clients => {
    const registry = kernel.resolve(RpcRegistry)
    if (made?.registry !== registry) {
      const to = (target: typeof connect): Functions =>
        registry.client(target, manifest, { ...rest, peer: id }) as never
      made = { registry, clients: { careful: to(connect), bold: to(boldly), early: to(early) } }
    }
    return made.clients
  }
  const lasting = Object.entries(manifest).map(([name, method]): [string, unknown] => {
    const idempotent = 'idempotent' in method && method.idempotent
    const kind = ('kind' in method ? method.kind : method.type).toLowerCase()
    const way = !idempotent ? 'careful' : kind === 'unary' ? 'early' : 'bold'
    const call = (...args: unknown[]): unknown => present()[way][name]?.(...args)
    const untilReplaced = async (args: readonly unknown[]): Promise<void> => {
      const { signal } = (args[kind === 'raw' ? 2 : 1] ?? {}) as CallOptions
      if (kernel.state === 'replacing') await kernel.settled({ signal })
    }
    if (kind === 'server' || kind === 'duplex') {
      const later = async function* (args: unknown[]): AsyncGenerator {
        await untilReplaced(args)
        yield* call(...args) as AsyncIterable<unknown>
      }
      return [name, (...args: unknown[]) => (kernel.state === 'replacing' ? later(args) : call(...args))]
    }
    if (kind !== 'unary') {
      return [
        name,
        async (...args: unknown[]) => {
          await untilReplaced(args)
          return call(...args)
        }
      ]
    }
    const unary = call as UnaryCall
    const isRepeatable = idempotent ? wasCutOff : wasNotSeen
    const usual: UnaryCall = (input, callOptions) =>
      repeatedly(kernel, callOptions?.signal, () => unary(input, callOptions), isRepeatable)
    if (!idempotent) return [name, usual]
    const patient: UnaryCall = (input, callOptions) =>
      onceReplaced(kernel, callOptions?.signal, () => unary(input, callOptions))
    const persistent = withPolicies(patient, { retry: retry ?? CUT_OFF, hedge }, () => ({
      clock: kernel.resolve(Clock),
      random: kernel.resolve(Random),
      mayRepeat: () => kernel.state === 'started' || kernel.state === 'replacing'
    }))
    const isUsual = (own?: CallOptions): boolean => (own?.retry ?? own?.hedge ?? retry ?? hedge) === undefined
    return [name, (input: unknown, own?: CallOptions) => (isUsual(own) ? usual : persistent)(input, own)]
  })
  return Object.fromEntries(lasting) as Client<M>
}

/**
 * Does something, and again if it has failed in a way in which it is safe to repeat, once plugins that are being
 * replaced just now are there again.
 */
function repeatedly<T>(
  kernel: Kernel,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
  isRepeatable = wasCutOff
): Promise<T> {
  return repeat(() => onceReplaced(kernel, signal, work), {
    get clock() {
      return kernel.resolve(Clock)
    },
    signal,
    attempts: MAX_REPEATS + 1,
    pauseMs: (error, made) => {
      if (!isRepeatable(error)) return undefined
      if (kernel.state === 'replacing') return 0
      return kernel.state === 'started' ? REPEAT_DELAY_MS * 2 ** (made - 1) : undefined
    }
  })
}

/** Does something once plugins that are being replaced just now are there again. */
async function onceReplaced<T>(kernel: Kernel, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  if (kernel.state === 'replacing') await kernel.settled({ signal })
  return work()
}

/**
 * Whether a call never reached its peer: that closed the connection because there was no stream on it, or takes no
 * further streams because it is stopping.
 */
function wasNotSeen(error: unknown): boolean {
  if (error instanceof StreamResetError) return error.streamCode === CloseCode.SHUTDOWN
  return error instanceof ConnectionClosedError && error.info.by === 'peer' && error.info.code === CloseCode.IDLE
}
