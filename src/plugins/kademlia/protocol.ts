import {
  DeadlineError,
  unary,
  withDeadline,
  type Clock,
  type Connection,
  type ConnectionPool,
  type FindOptions,
  type RpcRegistry
} from '../../kernel/index.js'
import type { Contact, NodeId } from '../../model/index.js'
import { parseTarget, type FindNodeAnswer, type FindNodeRequest } from './messages.js'

/** `kad.ping` and `kad.findNode` are what every Kademlia node offers. Answers are unproven. */
const NAMESPACE = 'kad'
const methods = {
  ping: unary<object, unknown>(),
  findNode: unary<FindNodeRequest, unknown>()
}

/** What a node answers to others. */
export interface Service {
  /** The contacts nearest to `target` that are fit for `caller`. */
  readonly nearest: (target: NodeId, caller: NodeId) => readonly Contact[]
  /** A node has called. */
  readonly called: (caller: NodeId) => void
}

/** The two calls of Kademlia, as asked by this node and as answered by it. */
export class Protocol {
  /** How many queries each node is being asked, dialling included. */
  readonly #asked = new Map<NodeId, number>()

  /** @param timeoutMs what one query may take, dialling included */
  constructor(
    private readonly deps: { readonly rpc: RpcRegistry; readonly pool: ConnectionPool; readonly clock: Clock },
    private readonly timeoutMs: number
  ) {}

  serve({ nearest, called }: Service): void {
    this.deps.rpc.register(
      {
        ping: unary<unknown, object>((_, { meta }) => {
          called(meta.nodeId)
          return {}
        }),
        findNode: unary<unknown, FindNodeAnswer>((request, { meta }) => {
          const contacts = nearest(parseTarget(request), meta.nodeId)
          called(meta.nodeId)
          return { contacts: contacts.map(String) }
        })
      },
      { namespace: NAMESPACE }
    )
  }

  /** Resolves, with the connection it went by, once a node has answered. */
  async ping(target: Contact | Connection, options: FindOptions): Promise<Connection> {
    const { connection } = await this.#ask(target, options, (node, call) => node.ping({}, call))
    return connection
  }

  /** Asks a node for the contacts nearest to `target`. */
  findNode(
    contact: Contact,
    target: NodeId,
    options: FindOptions
  ): Promise<{ connection: Connection; answer: unknown }> {
    return this.#ask(contact, options, (node, call) => node.findNode({ target }, call))
  }

  /** Whether this node is asking another one, which will tell whether that one answers. */
  asks(node: NodeId): boolean {
    return this.#asked.has(node)
  }

  async #ask(
    target: Contact | Connection,
    { signal: outer, attempt }: FindOptions,
    call: (node: ReturnType<typeof this.client>, options: { signal: AbortSignal }) => Promise<unknown>
  ): Promise<{ connection: Connection; answer: unknown }> {
    const { pool, clock } = this.deps
    const node = 'addresses' in target ? target.id : target.peer
    // A query that is lost with a dead connection costs less than a round trip before each.
    const maxSilenceMs = Infinity
    this.#asked.set(node, (this.#asked.get(node) ?? 0) + 1)
    try {
      return await withDeadline(
        clock,
        this.timeoutMs,
        async (signal) => {
          const connection = 'addresses' in target ? await pool.dial(target, { signal, attempt, maxSilenceMs }) : target
          return { connection, answer: await call(this.client(connection), { signal }) }
        },
        {
          signal: outer,
          makeError: () => new DeadlineError(`no answer within ${String(this.timeoutMs)} ms`)
        }
      )
    } finally {
      const others = (this.#asked.get(node) ?? 1) - 1
      if (others > 0) this.#asked.set(node, others)
      else this.#asked.delete(node)
    }
  }

  private client(connection: Connection) {
    return this.deps.rpc.client(connection, methods, { namespace: NAMESPACE })
  }
}
