import { EventEmitter } from 'eventemitter3'
import { defer, of, Subject, throwError, type Observable } from 'rxjs'
import { Address, InvalidInputError, PeerloomError, type Contact, type NodeId } from '../../model/index.js'
import {
  CloseCode,
  ConnectError,
  untilAborted,
  type CandidateFailure,
  type CloseInfo,
  type Connection,
  type ConnectionPool,
  type Datagrams,
  type DialStep,
  type Identity,
  type PeerChange,
  type PluginContext,
  type PoolDialOptions,
  type Transport
} from '../../kernel/index.js'
import { dialsPrevail, supersedes } from './arbiter.js'
import { drain } from './drain.js'
import type { connectionPoolOptions } from './options.js'
import { Race } from './race.js'
import type * as v from 'valibot'

/** Connections to one peer that may drain at once; the oldest is closed when there are more. */
export const MAX_DRAINING = 2
/** Attempts that one race is told to as events; of more, the first. */
export const MAX_ATTEMPTS = 16

interface Dependencies {
  readonly transport: Transport
  readonly datagrams: Datagrams
  readonly identity: Identity
}

/** The connections to one peer: the one in use, and those that lost, oldest first, with what stops their draining. */
interface Peer {
  current: Connection
  readonly draining: Map<Connection, () => void>
}

/** A race, and the attempts that share it; each is told the whole story. */
interface RaceEntry {
  readonly race: Race
  readonly attempts: Set<string>
  readonly told: DialStep[]
}

type Context = PluginContext<v.InferOutput<typeof connectionPoolOptions>>

export class Pool implements ConnectionPool {
  readonly #peers = new Map<NodeId, Peer>()
  readonly #races = new Map<NodeId, RaceEntry>()
  readonly #emitter = new EventEmitter<{ connection: [Connection] }>()
  readonly #changes = new Subject<PeerChange>()
  readonly peers$: Observable<PeerChange> = this.#changes.asObservable()

  constructor(
    private readonly on: Dependencies,
    private readonly ctx: Context
  ) {}

  get(peer: NodeId): Connection | undefined {
    const current = this.#peers.get(peer)?.current
    return current?.closeInfo === undefined ? current : undefined
  }

  get connections(): Iterable<Connection> {
    return [...this.#peers.values()].map(({ current }) => current).filter(isLive)
  }

  dial$(contact: Contact, options: PoolDialOptions = {}): Observable<DialStep> {
    return defer(() => this.#dial(contact, options.attempt)).pipe(
      untilAborted(options.signal),
      untilAborted(this.ctx.signal)
    )
  }

  dial(contact: Contact, options: PoolDialOptions = {}): Promise<Connection> {
    const startedAt = this.ctx.clock.monotonic()
    const candidates: CandidateFailure[] = []
    return new Promise((resolve, reject) => {
      this.dial$(contact, options).subscribe({
        next: (step) => {
          if (step.type === 'connected') resolve(step.connection)
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
    for (const connection of [...this.#peers.values()].flatMap(all)) if (isLive(connection)) entry(connection)
    return () => {
      this.#emitter.off('connection', entry)
    }
  }

  disconnect(peer: NodeId, code: number = CloseCode.OK, reason = ''): void {
    const entry = this.#peers.get(peer)
    for (const connection of entry === undefined ? [] : all(entry)) connection.close(code, reason)
  }

  /** Takes a connection that a peer has made to this node. */
  accept(connection: Connection): void {
    const { peer } = connection
    if (peer === this.on.identity.nodeId) {
      connection.close(CloseCode.BAD_PEER, 'this is my own node id')
      return
    }
    if (!isLive(connection)) return
    if (this.#isFullFor(peer)) {
      connection.close(CloseCode.LIMIT, 'too many connections')
      return
    }
    this.#admit(connection, 0, [])
    this.#races.get(peer)?.race.arrive(connection, dialsPrevail(this.on.identity.nodeId, peer))
  }

  /** Closes everything. Resolves when the connections are closed. */
  async stop(): Promise<void> {
    this.#emitter.removeAllListeners()
    const connections = [...this.#peers.values()].flatMap(all)
    for (const connection of connections) connection.close(CloseCode.SHUTDOWN, 'the node is stopping')
    await Promise.all(connections.map(({ closed }) => closed))
    this.#changes.complete()
  }

  #dial(contact: Contact, attempt: string | undefined): Observable<DialStep> {
    const peer = contact.id
    if (peer === this.on.identity.nodeId) {
      return throwError(() => new InvalidInputError(`${peer} is this node itself, which cannot be dialled`))
    }
    const live = this.get(peer)
    if (live !== undefined) return of({ type: 'connected', connection: live })
    let entry = this.#races.get(peer)
    if (entry === undefined) {
      if (this.#peers.size + this.#races.size >= this.ctx.config.maxConnections)
        return throwError(() => this.#limitError())
      entry = this.#makeRace(peer)
      this.#races.set(peer, entry)
    }
    if (attempt !== undefined && !entry.attempts.has(attempt) && entry.attempts.size < MAX_ATTEMPTS) {
      entry.attempts.add(attempt)
      for (const step of entry.told) this.#tell(peer, step, [attempt])
    }
    entry.race.add(contact.addresses)
    return entry.race.steps$
  }

  #makeRace(peer: NodeId): RaceEntry {
    const { transport, datagrams } = this.on
    const { clock, config } = this.ctx
    const attempts = new Set<string>()
    const told: DialStep[] = []
    const race = new Race({
      peer,
      clock,
      staggerMs: config.staggerMs,
      timeoutMs: config.dialTimeoutMs,
      loopbackFirst: Address.scope(datagrams.primary.local) === 'loopback',
      dial: (address, signal) => transport.dial(peer, address, { signal }),
      resolve: (host, signal) => datagrams.resolve(host, { signal }),
      admit: (connection, ms) => {
        if (this.#isFullFor(peer)) {
          connection.close(CloseCode.LIMIT, 'too many connections')
          throw this.#limitError()
        }
        return this.#admit(connection, ms, [...attempts])
      },
      tell: (step) => {
        told.push(step)
        this.#tell(peer, step, [...attempts])
      },
      ended: () => this.#races.delete(peer)
    })
    return { race, attempts, told }
  }

  /** Tells a step of a race as an event of each attempt that shares it. */
  #tell(peer: NodeId, step: DialStep, attempts: readonly (string | undefined)[]): void {
    const { emit } = this.ctx.events
    for (const attempt of attempts.length === 0 ? [undefined] : attempts) {
      if (step.type === 'dialing') emit('dial.started', { peer, address: step.address }, { attempt })
      else if (step.type === 'failed') emit('dial.failed', { peer, ...step.failure }, { attempt })
    }
  }

  #isFullFor(peer: NodeId): boolean {
    return !this.#peers.has(peer) && this.#peers.size >= this.ctx.config.maxConnections
  }

  #limitError(): PeerloomError {
    const { maxConnections } = this.ctx.config
    return new PeerloomError('ERR_LIMIT', `the limit of ${String(maxConnections)} connections is reached`)
  }

  /** Takes a new connection in, and gives the one to its peer that is used from now on. */
  #admit(connection: Connection, ms: number, attempts: readonly string[]): Connection {
    const { id, peer, direction, remote } = connection
    const isNew = !this.#peers.has(peer)
    const entry = this.#place(connection)
    for (const attempt of attempts.length === 0 ? [undefined] : attempts) {
      this.ctx.events.emit('connection.opened', { peer, connection: id, direction, address: remote, ms }, { attempt })
    }
    void connection.closed.then((info) => {
      this.#remove(connection, info, attempts[0])
    })
    // A handler that is registered by another one meanwhile was given the connection then.
    this.#emitter.emit('connection', connection)
    if (isNew) this.#changes.next({ type: 'connected', connection })
    return entry.current
  }

  #place(connection: Connection): Peer {
    const { peer } = connection
    const entry = this.#peers.get(peer)
    if (entry === undefined) {
      const first: Peer = { current: connection, draining: new Map() }
      this.#peers.set(peer, first)
      return first
    }
    const { current } = entry
    if (!isLive(current)) {
      entry.current = connection
    } else if (supersedes(this.on.identity.nodeId, peer, current, connection)) {
      entry.current = connection
      this.#drain(entry, current)
    } else {
      this.#drain(entry, connection)
    }
    return entry
  }

  #drain({ draining }: Peer, connection: Connection): void {
    draining.set(connection, drain(connection, this.ctx.clock, this.ctx.config.drainMs))
    const [oldest] = draining
    if (oldest === undefined || draining.size <= MAX_DRAINING) return
    const [surplus, stopDraining] = oldest
    stopDraining()
    draining.delete(surplus)
    surplus.close(CloseCode.DUPLICATE, 'too many connections to one node')
  }

  #remove(connection: Connection, info: CloseInfo, attempt: string | undefined): void {
    const { peer, id } = connection
    const entry = this.#peers.get(peer)
    entry?.draining.get(connection)?.()
    entry?.draining.delete(connection)
    const { code, reason, by } = info
    this.ctx.events.emit('connection.closed', { peer, connection: id, code, reason, by }, { attempt })
    if (entry?.current !== connection) return
    // The side that dialled twice decides which of the two it keeps; what it gave up may be what was kept here.
    const successor = [...entry.draining.keys()].filter(isLive).at(-1)
    if (successor === undefined) {
      this.#peers.delete(peer)
      this.#changes.next({ type: 'disconnected', connection, info })
    } else {
      entry.draining.get(successor)?.()
      entry.draining.delete(successor)
      entry.current = successor
    }
  }

  #hand(connection: Connection, handler: (connection: Connection) => void): void {
    try {
      handler(connection)
    } catch (error) {
      this.ctx.log.error(`a handler of new connections threw for ${connection.peer}`, error)
    }
  }
}

function isLive(connection: Connection): boolean {
  return connection.closeInfo === undefined
}

function all({ current, draining }: Peer): Connection[] {
  return [...draining.keys(), current]
}
