import {
  Clock,
  CloseCode,
  ConnectionClosedError,
  ConnectionPool,
  Connector,
  PeerloomError,
  RpcCode,
  RpcError,
  RpcRegistry,
  sleep,
  StreamResetError,
  type CallOptions,
  type Client,
  type ClientOptions,
  type Connection,
  type Kernel,
  type Manifest,
  type MethodDescription,
  type PoolDialOptions
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
   * call of an `idempotent` method may be sent before the peer has answered, where the transport allows early data.
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
  options?: ClientOptions
): Client<M> {
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
        registry.client(target, manifest, { ...options, peer: id }) as never
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
    const isRepeatable = idempotent ? wasCutOff : wasNotSeen
    return [
      name,
      (input: unknown, callOptions?: CallOptions) =>
        repeatedly(kernel, callOptions?.signal, () => call(input, callOptions) as Promise<unknown>, isRepeatable)
    ]
  })
  return Object.fromEntries(lasting) as Client<M>
}

/**
 * Does something, and again if it has failed in a way in which it is safe to repeat, once plugins that are being
 * replaced just now are there again.
 */
async function repeatedly<T>(
  kernel: Kernel,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
  isRepeatable = wasCutOff
): Promise<T> {
  for (let repeats = 0; ; repeats++) {
    if (kernel.state === 'replacing') await kernel.settled({ signal })
    try {
      return await work()
    } catch (error) {
      if (repeats === MAX_REPEATS || signal?.aborted === true || !isRepeatable(error)) throw error
      if (kernel.state === 'replacing') continue
      if (kernel.state !== 'started') throw error
      await sleep(kernel.resolve(Clock), REPEAT_DELAY_MS * 2 ** repeats, signal)
    }
  }
}

/**
 * Whether a call never reached its peer: that closed the connection because there was no stream on it, or takes no
 * further streams because it is stopping.
 */
function wasNotSeen(error: unknown): boolean {
  if (error instanceof StreamResetError) return error.streamCode === CloseCode.SHUTDOWN
  return error instanceof ConnectionClosedError && error.info.by === 'peer' && error.info.code === CloseCode.IDLE
}

/** Whether something ended because what it ran on did, on this side or the other, and not by itself. */
function wasCutOff(error: unknown): boolean {
  if (error instanceof RpcError) return error.rpcCode === RpcCode.CANCELLED
  return error instanceof PeerloomError && CUT_OFF.has(error.code)
}

const CUT_OFF = new Set(['ERR_ABORTED', 'ERR_CONNECTION_CLOSED', 'ERR_STATE', 'ERR_STREAM_RESET'])
