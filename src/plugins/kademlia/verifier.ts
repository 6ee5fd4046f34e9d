import type { Clock, Connection, ConnectionPool, EventEmitterOf } from '../../kernel/index.js'
import { Address, Contact, type NodeId } from '../../model/index.js'
import { BUCKETS, keyOf } from './distance.js'
import { share, type Count } from './messages.js'
import type { Protocol } from './protocol.js'
import type { RoutingTable, TableChange } from './routing-table.js'

/** Pings of the verifier's own that are under way at a time. */
export const MAX_PINGS = 3
/** Pings that wait for their turn; further candidates are dropped and counted. */
export const MAX_PINGS_WAITING = 64

/** The tag of what the pool is told about contacts. */
const TAG = 'routing-table'
/** How long the connection to a contact of the farthest bucket stays unused, and how much longer to one of the nearest. */
const MIN_STAY_MS = 60_000
const STAY_RANGE_MS = 2 * 3_600_000

/**
 * How long an unused connection to a contact is kept: the nearer the longer, since the neighbourhood is asked most, and
 * whoever is near is asked about what is stored here.
 */
export function stayMs(bucket: number): number {
  return MIN_STAY_MS + (1 - bucket / (BUCKETS - 1)) * STAY_RANGE_MS
}

interface Ping {
  /** Whom to ping: a stranger by the connection it came by, or a contact of the table that is under suspicion. */
  readonly target: Contact | Connection
  readonly id: NodeId
  /** By `Clock.monotonic`. */
  readonly since: number
}

export interface VerifierDependencies {
  readonly table: RoutingTable
  readonly protocol: Protocol
  readonly pool: ConnectionPool
  readonly clock: Clock
  readonly emit: EventEmitterOf
  readonly count: Count
  /** Ends all pings. */
  readonly signal: AbortSignal
}

/**
 * Keeper of the routing table: lets in whoever has answered this node, and pings strangers and suspects to learn
 * whether they do. No more than a few pings run at a time, and one for each node.
 */
export class Verifier {
  readonly #waiting: Ping[] = []
  /** Whom a ping waits for or runs to. */
  readonly #pinged = new Set<NodeId>()
  #running = 0
  /** When any node answered last, by `Clock.monotonic`. */
  #lastAnswer = -Infinity

  constructor(private readonly deps: VerifierDependencies) {}

  /** A node has answered a query of ours over this connection. */
  answered(connection: Connection, contact?: Contact): void {
    const { table, clock } = this.deps
    this.#lastAnswer = clock.monotonic()
    const { peer, remote } = connection
    const known = contact && share(contact, remote)
    this.#apply(table.seen(Contact.of(peer, [remote, ...(known?.addresses ?? [])])))
  }

  /** A contact did not answer a query that was sent at `since`: it is pinged, if it is in the table. */
  unanswered(contact: Contact, since: number): void {
    this.#apply(this.deps.table.suspect(contact), since)
  }

  /** A node has called this one: it is alive if known by this address, and a candidate for the table if not. */
  called(caller: NodeId): void {
    const { table, pool, clock } = this.deps
    const connection = pool.get(caller)
    if (connection === undefined) return
    const known = table.get(caller)
    if (known?.addresses.some((address) => Address.equals(address, connection.remote)) === true) {
      this.#apply(table.seen(known))
    } else {
      this.#enqueue({ target: connection, id: caller, since: clock.monotonic() })
    }
  }

  #apply({ added, removed, ping }: TableChange, since = this.deps.clock.monotonic()): void {
    const { table, pool, emit } = this.deps
    const bucketOf = (contact: Contact): number => table.bucketOf(keyOf(contact))
    if (removed !== undefined) {
      pool.stay(removed.id, TAG, 0)
      emit('routing.removed', { node: removed.id, bucket: bucketOf(removed), reason: 'it did not answer' })
    }
    if (added !== undefined) {
      const bucket = bucketOf(added)
      pool.stay(added.id, TAG, stayMs(bucket))
      emit('routing.added', { node: added.id, bucket })
    }
    if (ping !== undefined && !this.#enqueue({ target: ping, id: ping.id, since })) table.spare(ping)
  }

  #enqueue(ping: Ping): boolean {
    if (this.#pinged.has(ping.id)) return false
    if (this.#waiting.length >= MAX_PINGS_WAITING) {
      this.deps.count('unverified-candidate')
      return false
    }
    this.#pinged.add(ping.id)
    this.#waiting.push(ping)
    this.#pump()
    return true
  }

  #pump(): void {
    while (this.#running < MAX_PINGS && !this.deps.signal.aborted) {
      const ping = this.#waiting.shift()
      if (ping === undefined) return
      this.#running++
      void this.#run(ping).finally(() => {
        this.#running--
        this.#pinged.delete(ping.id)
        this.#pump()
      })
    }
  }

  async #run({ target, since }: Ping): Promise<void> {
    const { table, protocol, signal } = this.deps
    const suspect = target instanceof Contact ? target : undefined
    try {
      const connection = await protocol.ping(target, { signal })
      this.answered(connection, suspect)
    } catch {
      if (suspect === undefined || signal.aborted) return
      if (this.#lastAnswer < since) await this.#askAnother(suspect)
      if (this.#lastAnswer >= since) this.#apply(table.pinged(suspect, false))
      else table.spare(suspect)
    }
  }

  /** When nobody at all answers, it is this node that has lost the network, and it must not forget everyone. */
  async #askAnother(suspect: Contact): Promise<void> {
    const { table, protocol, signal } = this.deps
    const other = table.closest(keyOf(suspect), 2).find(({ id }) => id !== suspect.id)
    if (other === undefined) return
    try {
      this.answered(await protocol.ping(other, { signal }), other)
    } catch {
      // No witness, no eviction.
    }
  }
}
