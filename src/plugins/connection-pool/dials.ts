import { filter, throwError, type Observable } from 'rxjs'
import { Address, PeerloomError, type NodeId } from '../../model/index.js'
import {
  type Connection,
  type Datagrams,
  type DialStep,
  type Identity,
  type PluginContext,
  type Transport
} from '../../kernel/index.js'
import type { ConnectionPoolConfig } from './options.js'
import { Race } from './race.js'
import { answerLimitMs } from './silence.js'

/** Attempts that one race is told to as events; of more, the first. */
export const MAX_ATTEMPTS = 16

/** A race, and the attempts that share it; each is told the whole story. */
interface RaceEntry {
  readonly race: Race
  readonly attempts: Set<string>
  readonly told: DialStep[]
}

interface DialsSetting {
  readonly transport: Transport
  readonly datagrams: Datagrams
  readonly identity: Identity
  readonly ctx: PluginContext<ConnectionPoolConfig>
  /** Takes a dialled connection in and gives the one that is kept. `doubtful` was silent all the while. May throw. */
  readonly admit: (connection: Connection, ms: number, attempts: readonly string[], doubtful?: Connection) => Connection
}

/** The dials under way: one race for each peer, whoever wants it. */
export class Dials {
  readonly #races = new Map<NodeId, RaceEntry>()

  constructor(private readonly setting: DialsSetting) {}

  get size(): number {
    return this.#races.size
  }

  has(peer: NodeId): boolean {
    return this.#races.has(peer)
  }

  /** The peer has connected to us. `ownPrevail`: if we connect as well, ours is the one kept. */
  arrive(connection: Connection, ownPrevail: boolean): void {
    this.#races.get(connection.peer)?.race.arrive(connection, ownPrevail)
  }

  /**
   * Joins the race to a peer, or begins one. `doubtful` is a connection to it that may be dead: the peer is asked for a
   * sign of life, and has a head start over the dials unless it has left such a question unanswered before.
   */
  join(
    peer: NodeId,
    addresses: readonly Address[],
    options: { attempt: string | undefined; doubtful?: Connection; headStart?: boolean; early?: boolean | undefined }
  ): Observable<DialStep> {
    const { attempt, doubtful, headStart = true, early = false } = options
    let entry = this.#races.get(peer)
    if (entry === undefined) {
      const { maxConnections } = this.setting.ctx.config
      if (this.#races.size >= maxConnections) {
        return throwError(() => new PeerloomError('ERR_LIMIT', `${String(maxConnections)} peers are being dialled`))
      }
      entry = this.#begin(peer, doubtful, headStart, early)
      this.#races.set(peer, entry)
    }
    if (attempt !== undefined && !entry.attempts.has(attempt) && entry.attempts.size < MAX_ATTEMPTS) {
      entry.attempts.add(attempt)
      for (const step of entry.told) this.#tell(peer, step, [attempt])
    }
    entry.race.add(doubtful === undefined ? addresses : [doubtful.remote, ...addresses])
    const { steps$ } = entry.race
    // Whoever shares the race and cannot use an early connection waits for one that is confirmed.
    return early ? steps$ : steps$.pipe(filter(({ type }) => type !== 'early'))
  }

  #begin(peer: NodeId, doubtful: Connection | undefined, headStart: boolean, early: boolean): RaceEntry {
    const { transport, datagrams, admit } = this.setting
    const { clock, config } = this.setting.ctx
    const attempts = new Set<string>()
    const told: DialStep[] = []
    const heardAt = doubtful?.heardAt
    const race = new Race({
      peer,
      clock,
      staggerMs: config.staggerMs,
      timeoutMs: config.dialTimeoutMs,
      headStartMs: doubtful !== undefined && headStart ? answerLimitMs(doubtful) : 0,
      loopbackFirst: Address.scope(datagrams.primary.local) === 'loopback',
      early,
      dial: (address, signal, onEarly) => transport.dial(peer, address, { signal, early: onEarly }),
      resolve: (host, signal) => datagrams.resolve(host, { signal }),
      admit: (connection, ms) =>
        admit(connection, ms, [...attempts], doubtful?.heardAt === heardAt ? doubtful : undefined),
      tell: (step) => {
        told.push(step)
        this.#tell(peer, step, [...attempts])
      },
      ended: () => this.#races.delete(peer)
    })
    void doubtful?.ping().then((alive) => {
      if (alive) race.arrive(doubtful, false)
      else race.hurry()
    })
    return { race, attempts, told }
  }

  /** Tells a step of a race as an event of each attempt that shares it. */
  #tell(peer: NodeId, step: DialStep, attempts: readonly (string | undefined)[]): void {
    const { emit } = this.setting.ctx.events
    for (const attempt of attempts.length === 0 ? [undefined] : attempts) {
      if (step.type === 'dialing') emit('dial.started', { peer, address: step.address }, { attempt })
      else if (step.type === 'failed') emit('dial.failed', { peer, ...step.failure }, { attempt })
    }
  }
}
