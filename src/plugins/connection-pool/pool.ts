import { setMaxListeners } from 'node:events'
import { EventEmitter } from 'eventemitter3'
import { defer, of, Subject, throwError, type Observable } from 'rxjs'
import { InvalidInputError, PeerloomError, type Address, type Contact, type NodeId } from '../../model/index.js'
import {
  abortReason,
  CloseCode,
  ConnectError,
  forPlugin,
  untilAborted,
  type CandidateFailure,
  type CloseInfo,
  type Connection,
  type ConnectionPool,
  type Consumer,
  type Datagrams,
  type DialStep,
  type Identity,
  type PeerChange,
  type PerConsumer,
  type PluginContext,
  type PoolDialOptions,
  type PoolStats,
  type Transport
} from '../../kernel/index.js'
import { dialsPrevail } from './arbiter.js'
import { Dials } from './dials.js'
import { IdleSweep } from './idle-sweep.js'
import { Liveness } from './liveness.js'
import type { ConnectionPoolConfig } from './options.js'
import { originOf } from './origin.js'
import { Residence } from './residence.js'
import { isLive, Roster, type Entry } from './roster.js'
import { PoolView } from './view.js'
import { Wishes } from './wishes.js'

interface Dependencies {
  readonly transport: Transport
  readonly datagrams: Datagrams
  readonly identity: Identity
}

export class Pool implements ConnectionPool, PerConsumer<ConnectionPool> {
  readonly #roster: Roster
  readonly #dials: Dials
  readonly #liveness: Liveness
  readonly #wishes = new Wishes()
  readonly #ownWishes = this.#wishes.owner().wishes
  readonly #residence: Residence
  readonly #sweep: IdleSweep
  readonly #emitter = new EventEmitter<{ connection: [Connection]; early: [Connection] }>()
  readonly #changes = new Subject<PeerChange>()
  readonly peers$: Observable<PeerChange> = this.#changes.asObservable()

  constructor(
    private readonly on: Dependencies,
    private readonly ctx: PluginContext<ConnectionPoolConfig>
  ) {
    const { clock, config } = ctx
    // Every dial listens; more than ten of them are no leak.
    setMaxListeners(0, ctx.signal)
    this.#roster = new Roster({ self: on.identity.nodeId, clock, drainMs: config.drainMs })
    this.#residence = new Residence(this.#roster, this.#wishes, clock, config)
    this.#sweep = new IdleSweep(
      () => {
        this.#residence.closeIdle()
        this.#renewWorn()
      },
      clock,
      config.idleMs
    )
    this.#liveness = new Liveness({
      clock,
      maxSilenceMs: config.maxSilenceMs,
      revive: (entry, attempt) => this.#revive(entry, [], attempt).pipe(untilAborted(ctx.signal))
    })
    this.#dials = new Dials({
      ...on,
      ctx,
      admit: (connection, ms, attempts, doubtful) => {
        const { peer, remote } = connection
        const refusal = this.#residence.makeRoomFor(peer, { wanted: true, origin: originOf(remote) })
        if (refusal !== undefined) {
          connection.close(CloseCode.LIMIT, 'too many connections')
          throw this.#limitError()
        }
        const entry = this.#admit(connection, ms, attempts, doubtful)
        entry.wanted = true
        return entry.current
      }
    })
  }

  [forPlugin](consumer: Consumer): ConnectionPool {
    const { wishes, forget } = this.#wishes.owner()
    consumer.defer(forget)
    return new PoolView(this, wishes)
  }

  get(peer: NodeId): Connection | undefined {
    const current = this.#roster.get(peer)?.current
    return current?.closeInfo === undefined ? current : undefined
  }

  get connections(): Iterable<Connection> {
    return this.#roster.live.map(({ current }) => current)
  }

  async check(peer: NodeId, options: PoolDialOptions = {}): Promise<Connection | undefined> {
    const { signal } = options
    if (signal?.aborted === true) throw abortReason(signal)
    const entry = this.#roster.get(peer)
    if (entry === undefined || !isLive(entry.current)) return undefined
    if (this.#liveness.isFresh(entry, options.maxSilenceMs)) return this.#liveness.handOut(entry)
    return this.#liveness.isDoubted(entry) ? undefined : this.#liveness.check(entry, options)
  }

  dial$(contact: Contact, options: PoolDialOptions = {}): Observable<DialStep> {
    return defer(() => this.#dial(contact, options)).pipe(untilAborted(options.signal), untilAborted(this.ctx.signal))
  }

  dial(contact: Contact, options: PoolDialOptions = {}): Promise<Connection> {
    const startedAt = this.ctx.clock.monotonic()
    const candidates: CandidateFailure[] = []
    return new Promise((resolve, reject) => {
      this.dial$(contact, options).subscribe({
        next: (step) => {
          if (step.type === 'connected' || step.type === 'early') resolve(step.connection)
          else if (step.type === 'failed') candidates.push(step.failure)
        },
        error: reject,
        // Does nothing after `connected`.
        complete: () => {
          reject(new ConnectError({ peer: contact.id, ms: this.ctx.clock.monotonic() - startedAt, candidates }))
        }
      })
    })
  }

  onConnection(handler: (connection: Connection) => void): () => void {
    // Its own function each time, so that one handler given twice is two; one that throws harms no other.
    const entry = (connection: Connection): void => {
      this.#hand(connection, handler)
    }
    this.#emitter.on('connection', entry)
    for (const connection of this.#roster.connections) if (isLive(connection)) entry(connection)
    return () => {
      this.#emitter.off('connection', entry)
    }
  }

  onEarly(handler: (connection: Connection) => void): () => void {
    const entry = (connection: Connection): void => {
      this.#hand(connection, handler)
    }
    this.#emitter.on('early', entry)
    return () => {
      this.#emitter.off('early', entry)
    }
  }

  disconnect(peer: NodeId, code: number = CloseCode.OK, reason = ''): void {
    this.#roster.close(peer, code, reason)
  }

  protect(peer: NodeId, tag: string): void {
    this.#ownWishes.protect(peer, tag)
  }

  unprotect(peer: NodeId, tag: string): void {
    this.#ownWishes.unprotect(peer, tag)
  }

  stay(peer: NodeId, tag: string, ms: number): void {
    this.#ownWishes.stay(peer, tag, ms)
  }

  stats(): PoolStats {
    return this.#residence.stats()
  }

  /** Takes a connection that a peer has made to this node. */
  accept(connection: Connection): void {
    const { peer } = connection
    if (peer === this.on.identity.nodeId) {
      connection.close(CloseCode.BAD_PEER, 'this is my own node id')
      return
    }
    if (!isLive(connection)) return
    const wanted = this.#dials.has(peer)
    const refusal = this.#residence.makeRoomFor(peer, { wanted, origin: originOf(connection.remote) })
    if (refusal !== undefined) {
      connection.close(CloseCode.LIMIT, 'too many connections')
      return
    }
    this.#admit(connection, 0, []).wanted ||= wanted
    this.#dials.arrive(connection, dialsPrevail(this.on.identity.nodeId, peer))
  }

  /** Shows an early connection to those who take such. It gets no place yet: it may be a recording of one. */
  acceptEarly(connection: Connection): void {
    if (connection.peer !== this.on.identity.nodeId) this.#emitter.emit('early', connection)
  }

  /** Drains and closes everything. Resolves when the connections are closed. */
  async stop(): Promise<void> {
    this.#emitter.removeAllListeners()
    this.#sweep.stop()
    const { connections } = this.#roster
    await Promise.all(connections.map((each) => each.drain(CloseCode.SHUTDOWN, 'the node is stopping')))
    this.#changes.complete()
  }

  #dial({ id: peer, addresses }: Contact, { attempt, maxSilenceMs, early }: PoolDialOptions): Observable<DialStep> {
    if (peer === this.on.identity.nodeId) {
      return throwError(() => new InvalidInputError(`${peer} is this node itself, which cannot be dialled`))
    }
    const entry = this.#roster.get(peer)
    if (entry === undefined || !isLive(entry.current)) {
      if (!this.#dials.has(peer) && !this.#residence.hasRoomFor(this.#dials.size)) {
        return throwError(() => this.#limitError())
      }
      return this.#dials.join(peer, addresses, { attempt, early })
    }
    if (this.#liveness.isFresh(entry, maxSilenceMs)) {
      return of({ type: 'connected', connection: this.#liveness.handOut(entry) })
    }
    return this.#revive(entry, addresses, attempt)
  }

  #revive(entry: Entry, addresses: readonly Address[], attempt?: string): Observable<DialStep> {
    const headStart = !this.#liveness.isDoubted(entry)
    return this.#dials.join(entry.peer, addresses, { attempt, doubtful: entry.current, headStart })
  }

  /** The side that has dialled a worn connection dials another one, to which the pool then moves. */
  #renewWorn(): void {
    for (const { peer, current } of this.#roster.live) {
      if (current.direction === 'inbound' || !current.stats().worn || this.#dials.has(peer)) continue
      this.#dials
        .join(peer, [current.remote], { attempt: undefined })
        .pipe(untilAborted(this.ctx.signal))
        // What fails is tried again at the next look.
        .subscribe({ error: () => undefined })
    }
  }

  #limitError(): PeerloomError {
    const { maxConnections } = this.ctx.config
    return new PeerloomError('ERR_LIMIT', `the limit of ${String(maxConnections)} connections is reached`)
  }

  /** Takes a new connection in. */
  #admit(connection: Connection, ms: number, attempts: readonly string[], doubtful?: Connection): Entry {
    const { id, peer, direction, remote } = connection
    const isNew = this.#roster.get(peer) === undefined
    const entry = this.#roster.place(connection, doubtful)
    this.#sweep.start()
    for (const attempt of attempts.length === 0 ? [undefined] : attempts) {
      this.ctx.events.emit('connection.opened', { peer, connection: id, direction, address: remote, ms }, { attempt })
    }
    void connection.closed.then((info) => {
      this.#remove(connection, info, attempts[0])
    })
    // A handler that is registered by another one meanwhile was given the connection then.
    this.#emitter.emit('connection', connection)
    if (isNew) this.#changes.next({ type: 'connected', connection })
    return entry
  }

  #remove(connection: Connection, info: CloseInfo, attempt: string | undefined): void {
    const { peer, id } = connection
    const { code, reason, by } = info
    const outcome = this.#roster.remove(connection)
    this.ctx.events.emit('connection.closed', { peer, connection: id, code, reason, by }, { attempt })
    if (outcome === 'gone') this.#changes.next({ type: 'disconnected', connection, info })
    if (this.#roster.size === 0) this.#sweep.stop()
  }

  #hand(connection: Connection, handler: (connection: Connection) => void): void {
    try {
      handler(connection)
    } catch (error) {
      this.ctx.log.error(`a handler of new connections threw for ${connection.peer}`, error)
    }
  }
}
