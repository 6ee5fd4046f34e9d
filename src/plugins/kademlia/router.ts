import { filter, from, lastValueFrom, map, mergeMap, type Observable } from 'rxjs'
import {
  abortReason,
  type ConnectionPool,
  type FindOptions,
  type FindStep,
  type PluginContext,
  type Router,
  type RouterStats,
  type RpcRegistry
} from '../../kernel/index.js'
import { NodeId, PeerloomError, type Contact } from '../../model/index.js'
import { find$, type FindDependencies } from './find.js'
import { ALPHA } from './lookup.js'
import { Maintenance } from './maintenance.js'
import { share, type DropCause } from './messages.js'
import { Protocol } from './protocol.js'
import { K, RoutingTable } from './routing-table.js'
import { Verifier } from './verifier.js'

export interface RouterOptions {
  readonly queryTimeoutMs: number
  readonly refreshIntervalMs: number
}

/** The Kademlia of one node: its routing table, what it asks and what it answers. */
export class KademliaRouter implements Router {
  readonly #self: NodeId
  readonly #table: RoutingTable
  readonly #find: FindDependencies
  readonly #maintenance: Maintenance
  readonly #dropped: Partial<Record<DropCause, number>> = {}
  /** Whom the last join went by. */
  #seeds: readonly Contact[] = []

  constructor(
    self: NodeId,
    deps: { readonly rpc: RpcRegistry; readonly pool: ConnectionPool },
    private readonly context: PluginContext<RouterOptions>
  ) {
    const { clock, random, log, signal, config } = context
    const { emit } = context.events
    const { pool } = deps
    this.#self = self
    const key = NodeId.toBytes(self)
    const table = (this.#table = new RoutingTable(key))
    const protocol = new Protocol({ ...deps, clock }, config.queryTimeoutMs)
    const count = (cause: DropCause, times = 1): void => {
      this.#dropped[cause] = (this.#dropped[cause] ?? 0) + times
    }
    const verifier = new Verifier({ table, protocol, pool, clock, emit, count, signal })
    this.#find = { self: key, table, pool, protocol, verifier, clock, emit, count, signal }
    this.#maintenance = new Maintenance(
      {
        self: key,
        table,
        verifier,
        clock,
        random,
        log,
        signal,
        lookUp: (target, options) => this.#lookUp(target, options),
        rejoin: () => (this.#seeds.length === 0 ? undefined : this.join(this.#seeds))
      },
      config.refreshIntervalMs
    )
    protocol.serve({
      nearest: (target, caller) => this.#nearest(target, caller),
      called: (caller) => {
        verifier.called(caller)
      }
    })
    // A contact that led nowhere would be given again and again: whoever moved is found anew once it is evicted.
    context.events.of('connect.failed').subscribe(({ peer }) => {
      const contact = table.get(peer)
      if (contact !== undefined) verifier.unanswered(contact, clock.monotonic())
    })
    // Whoever is connected for another reason is worth knowing too.
    context.defer(
      pool.onConnection(({ peer }) => {
        if (!protocol.asks(peer)) verifier.called(peer)
      })
    )
    this.#maintenance.schedule()
  }

  find$(target: NodeId, options?: FindOptions): Observable<FindStep> {
    return find$(this.#find, target, options)
  }

  async find(target: NodeId, options?: FindOptions): Promise<Contact> {
    const contacts = this.find$(target, options).pipe(
      filter((step) => step.type === 'contact'),
      map(({ contact }) => contact)
    )
    const contact = await lastValueFrom(contacts, { defaultValue: undefined })
    if (contact === undefined) throw new PeerloomError('ERR_NOT_FOUND', `no address of ${target} was found`)
    return contact
  }

  closest(target: NodeId, count = K): readonly Contact[] {
    return this.#table.closest(NodeId.toBytes(target), count)
  }

  get size(): number {
    return this.#table.size
  }

  async join(seeds: readonly Contact[], options: FindOptions = {}): Promise<number> {
    const { clock, events } = this.context
    const begun = clock.monotonic()
    const others = seeds.filter(({ id }) => id !== this.#self)
    this.#seeds = others
    const failures = await this.#greet(others, options)
    if (others.length > 0 && failures.length === others.length) {
      const cause = failures.length === 1 ? failures[0] : new AggregateError(failures)
      throw new PeerloomError('ERR_CONNECT', `none of ${String(others.length)} seeds answered: ${others.join(' ')}`, {
        cause
      })
    }
    await this.#lookUp(this.#self, options)
    events.emit('routing.joined', { contacts: this.size, ms: clock.monotonic() - begun }, { attempt: options.attempt })
    void this.#maintenance.refresh()
    return this.size
  }

  stats(): RouterStats {
    return { contacts: this.size, dropped: { ...this.#dropped } }
  }

  /** What this node answers to a caller: contacts that it can use, itself left out. */
  #nearest(target: NodeId, caller: NodeId): readonly Contact[] {
    const remote = this.#find.pool.get(caller)?.remote
    if (remote === undefined) return []
    return this.closest(target, K + 1)
      .filter(({ id }) => id !== caller)
      .flatMap((contact) => share(contact, remote) ?? [])
      .slice(0, K)
  }

  /** Pings seeds, α at a time, and gives the errors of those that do not answer. */
  async #greet(seeds: readonly Contact[], options: FindOptions): Promise<unknown[]> {
    const { protocol, verifier, signal: stopping } = this.#find
    const signal = options.signal === undefined ? stopping : AbortSignal.any([stopping, options.signal])
    const failures: unknown[] = []
    const greeted = from(seeds).pipe(
      mergeMap(async (seed) => {
        try {
          verifier.answered(await protocol.ping(seed, { ...options, signal }), seed)
        } catch (error) {
          failures.push(error)
        }
      }, ALPHA)
    )
    await lastValueFrom(greeted, { defaultValue: undefined })
    if (signal.aborted) throw abortReason(signal)
    return failures
  }

  async #lookUp(target: NodeId, options: FindOptions): Promise<void> {
    await lastValueFrom(this.find$(target, options), { defaultValue: undefined })
  }
}
