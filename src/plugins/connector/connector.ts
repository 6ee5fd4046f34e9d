import {
  defer,
  EMPTY,
  filter,
  finalize,
  map,
  of,
  ReplaySubject,
  share,
  Subscription,
  takeUntil,
  tap,
  throwError
} from 'rxjs'
import type { Observable } from 'rxjs'
import type * as v from 'valibot'
import { InvalidInputError, NodeId, type Contact } from '../../model/index.js'
import {
  ConnectError,
  untilAborted,
  type Connection,
  type ConnectionPool,
  type Connector,
  type ConnectOptions,
  type ConnectStep,
  type Identity,
  type PluginContext,
  type PoolDialOptions,
  type Router
} from '../../kernel/index.js'
import { dialContacts } from './dial-contacts.js'
import { findContacts } from './find-contacts.js'
import type { connectorOptions } from './options.js'
import { reportFailure } from './report-failure.js'
import { liveConnection, orElse, type PathStep } from './stage.js'
import { within } from './within.js'

/** Steps that who joins an attempt late is told; of more, the latest. */
const MAX_REPLAYED_STEPS = 1_024
/** Contacts that callers may hand to a running attempt; of more, the latest. */
const MAX_HINTS = 8
/** 48 bits: unique among the attempts that any log will hold. */
const ATTEMPT_ID_BYTES = 6

type Context = PluginContext<v.InferOutput<typeof connectorOptions>>

interface Attempt {
  readonly id: string
  /** Whether its first caller takes an early connection; those who join and do not are not told of it. */
  readonly early: boolean | undefined
  /** Dials of contacts that callers handed in meanwhile: they join the race that runs, at whatever stage. */
  readonly hinted: Subscription
  readonly steps$: Observable<ConnectStep>
  readonly hints: ReplaySubject<Contact>
}

export class PathFinder implements Connector {
  readonly #attempts = new Map<NodeId, Attempt>()

  constructor(
    private readonly on: {
      readonly router: Router
      readonly pool: ConnectionPool
      readonly identity: Pick<Identity, 'nodeId'>
    },
    private readonly ctx: Context
  ) {}

  connect$(target: NodeId | Contact, options: ConnectOptions = {}): Observable<ConnectStep> {
    return defer(() => this.#join(target, options)).pipe(
      filter(({ type }) => type !== 'early' || options.early === true),
      untilAborted(options.signal)
    )
  }

  connect(target: NodeId | Contact, options: ConnectOptions = {}): Promise<Connection> {
    return new Promise((resolve, reject) => {
      this.connect$(target, options).subscribe({
        next: (step) => {
          if (step.type === 'connected' || step.type === 'early') resolve(step.connection)
        },
        error: reject
      })
    })
  }

  #join(target: NodeId | Contact, { early }: ConnectOptions): Observable<ConnectStep> {
    const contact = typeof target === 'string' ? undefined : target
    const peer = typeof target === 'string' ? target : target.id
    if (!NodeId.is(peer)) return throwError(() => new InvalidInputError(`not a node id: ${String(peer).slice(0, 60)}`))
    if (peer === this.on.identity.nodeId) {
      return throwError(() => new InvalidInputError(`${peer} is this node itself, which cannot be dialled`))
    }
    const running = this.#attempts.get(peer)
    if (running === undefined) return this.#begin(peer, contact, early).steps$
    if (contact !== undefined) {
      running.hints.next(contact)
      const dial = this.on.pool.dial$(contact, { attempt: running.id, early: running.early })
      running.hinted.add(dial.subscribe({ error: () => undefined }))
    }
    return running.steps$
  }

  #begin(peer: NodeId, contact: Contact | undefined, early: boolean | undefined): Attempt {
    const { clock, random } = this.ctx
    const id = Buffer.from(random.bytes(ATTEMPT_ID_BYTES)).toString('base64url')
    const startedAt = clock.monotonic()
    const hints = new ReplaySubject<Contact>(MAX_HINTS)
    const hinted = new Subscription()
    const end = (): void => {
      hinted.unsubscribe()
      if (this.#attempts.get(peer) === attempt) this.#attempts.delete(peer)
    }
    const steps$ = this.#path(peer, contact, hints, { attempt: id, early }).pipe(
      untilAborted(this.ctx.signal),
      map((step): ConnectStep => ({ ...step, attempt: id })),
      tap({
        next: (step) => {
          if (step.type !== 'connected') return
          const details = { peer, connection: step.connection.id, ms: clock.monotonic() - startedAt }
          this.ctx.events.emit('connect.done', details, { attempt: id })
        },
        error: (error: unknown) => {
          end()
          if (!(error instanceof ConnectError)) return
          const details = { peer, error, ms: clock.monotonic() - startedAt }
          this.ctx.events.emit('connect.failed', details, { attempt: id })
        },
        complete: end
      }),
      finalize(end),
      share({ connector: () => new ReplaySubject<ConnectStep>(MAX_REPLAYED_STEPS) })
    )
    const attempt: Attempt = { id, early, hinted, steps$, hints }
    this.#attempts.set(peer, attempt)
    return attempt
  }

  /** The pipeline. A further way to reach a node is one more stage here. */
  #path(
    peer: NodeId,
    contact: Contact | undefined,
    hints: Observable<Contact>,
    { attempt, early }: Pick<PoolDialOptions, 'attempt' | 'early'>
  ): Observable<PathStep> {
    const { router, pool } = this.on
    const { clock, config } = this.ctx
    const dial = dialContacts(pool, { attempt, early, tried: new Set() })
    // A peer that has come to us needs no looking up; what is being dialled is the pool's to settle.
    const arrived = pool.peers$.pipe(filter(({ type, connection }) => type === 'connected' && connection.peer === peer))
    return liveConnection(pool, peer, { attempt }).pipe(
      orElse(() => knownContact(contact).pipe(dial)),
      orElse(() => findContacts(router, peer, { attempt, hints }).pipe(takeUntil(arrived), dial)),
      orElse(() => liveConnection(pool, peer, { attempt })),
      within(config.connectTimeoutMs, clock),
      reportFailure(peer, clock)
    )
  }
}

function knownContact(contact: Contact | undefined): Observable<PathStep> {
  return contact === undefined ? EMPTY : of<PathStep>({ type: 'contact', contact })
}
