import type { Clock, ClockTimer, FindOptions, Logger, Random } from '../../kernel/index.js'
import { NodeId } from '../../model/index.js'
import { BUCKETS, keyInBucket } from './distance.js'
import type { RoutingTable } from './routing-table.js'
import type { Verifier } from './verifier.js'

/** Buckets refreshed in one go, the farthest: 2^32 nodes fill no more. */
export const MAX_BUCKETS_REFRESHED = 32
/** How long a node that knows nobody waits before it tries its seeds again. */
export const REJOIN_INTERVAL_MS = 30_000

export interface MaintenanceDependencies {
  readonly self: Uint8Array
  readonly table: RoutingTable
  readonly verifier: Verifier
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly signal: AbortSignal
  /** Looks a node up and forgets the result. */
  readonly lookUp: (target: NodeId, options: FindOptions) => Promise<void>
  /** Joins again by the contacts of the last join; `undefined` if there were none. */
  readonly rejoin: () => Promise<unknown> | undefined
}

/** Keeps the routing table fresh (Kademlia §2.3): one refresh at a time, all look-ups in a row. */
export class Maintenance {
  #timer: ClockTimer | undefined
  #busy = false

  constructor(
    private readonly deps: MaintenanceDependencies,
    private readonly intervalMs: number
  ) {}

  /** Sets the time of the next refresh: the interval ± 50 %, so that nodes started together drift apart. */
  schedule(): void {
    const { clock, random, table } = this.deps
    this.#timer?.clear()
    const intervalMs = table.size === 0 ? Math.min(REJOIN_INTERVAL_MS, this.intervalMs) : this.intervalMs
    const refresh = (): void => {
      void this.refresh()
    }
    this.#timer = clock.setTimeout(refresh, intervalMs * (0.5 + random.float()), { background: true })
  }

  /**
   * Pings the oldest of each bucket, looks up this node and an id in each bucket farther than the nearest contact.
   * Starts from the seeds again if nobody is known. Never rejects.
   */
  async refresh(): Promise<void> {
    if (this.#busy) return
    this.#busy = true
    const { table, signal, log, rejoin } = this.deps
    try {
      if (table.size === 0) await rejoin()
      else await this.#refresh()
    } catch (error) {
      if (!signal.aborted) log.debug('a refresh failed', error)
    } finally {
      this.#busy = false
      if (!signal.aborted) this.schedule()
    }
  }

  async #refresh(): Promise<void> {
    const { self, table, verifier, clock, random, signal, lookUp } = this.deps
    for (const index of bucketsInUse(table)) {
      const [oldest] = table.bucket(index)
      if (oldest !== undefined) verifier.unanswered(oldest, clock.monotonic())
    }
    await lookUp(NodeId.fromBytes(self), { signal })
    for (const index of bucketsInUse(table)) {
      await lookUp(NodeId.fromBytes(keyInBucket(self, index, random.bytes(self.length))), { signal })
    }
  }
}

function bucketsInUse(table: RoutingTable): number[] {
  const first = Math.max(table.nearestBucket, BUCKETS - MAX_BUCKETS_REFRESHED)
  return Array.from({ length: BUCKETS - first }, (_, i) => first + i)
}
