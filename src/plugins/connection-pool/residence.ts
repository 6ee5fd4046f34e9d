import { CloseCode, type Clock, type PoolStats } from '../../kernel/index.js'
import type { NodeId } from '../../model/index.js'
import type { ConnectionPoolConfig } from './options.js'
import { idleDue, makeRoom, type Newcomer, type Refusal, type Resident } from './room.js'
import { isLive, type Entry, type Roster } from './roster.js'
import type { Wishes } from './wishes.js'

interface EntryResident extends Resident {
  readonly entry: Entry
}

/** Who may stay: asks the rules of `room.ts` and does what they say. */
export class Residence {
  readonly #closed: Record<keyof PoolStats['closed'], number> = {
    'refused-address': 0,
    'refused-group': 0,
    'refused-full': 0,
    evicted: 0,
    idle: 0
  }

  constructor(
    private readonly roster: Roster,
    private readonly wishes: Wishes,
    private readonly clock: Clock,
    private readonly config: ConnectionPoolConfig
  ) {}

  /** Lets a peer in, for which another one may have to go, or says why not. One that is connected has its room. */
  makeRoomFor(peer: NodeId, { wanted, origin }: Omit<Newcomer, 'protected'>): Refusal | undefined {
    const entry = this.roster.get(peer)
    if (entry !== undefined && isLive(entry.current)) return undefined
    const newcomer = { wanted, origin, protected: this.wishes.isProtected(peer) }
    for (;;) {
      const verdict = makeRoom(this.#residents(), newcomer, this.config)
      if (!verdict.admitted) {
        this.#closed[`refused-${verdict.refusal}`]++
        return verdict.refusal
      }
      if (verdict.evict === undefined) return undefined
      const { entry: least } = verdict.evict
      // What was seen of it at the last sweep may be old: one that has come into use since is no longer chosen.
      this.#look(least)
      if (least.usage.ownStreams > 0) continue
      this.#closed.evicted++
      this.roster.close(least.peer, CloseCode.LIMIT, 'another peer needs the room more')
      return undefined
    }
  }

  /** Whether one more peer could be dialled beside those that are. */
  hasRoomFor(dials: number): boolean {
    const residents = this.#residents()
    const staying = residents.filter((resident) => resident.protected || resident.ownStreams > 0)
    return staying.length + dials < this.config.maxConnections
  }

  /** Closes what nobody uses. */
  closeIdle(): void {
    const now = this.clock.monotonic()
    const { live } = this.roster
    for (const entry of live) this.#look(entry)
    for (const entry of live) {
      // `CloseCode.IDLE` tells the peer that nothing it asked for was seen, so what drains has to be over first.
      if (entry.usage.streams > 0 || entry.draining.size > 0) continue
      if (idleDue(this.#resident(entry), this.config) > now) continue
      this.#closed.idle++
      this.roster.close(entry.peer, CloseCode.IDLE, 'nobody uses it')
    }
  }

  stats(): PoolStats {
    const { live } = this.roster
    const uninvited = live.filter(({ wanted }) => !wanted).length
    return { peers: live.length, uninvited, closed: { ...this.#closed } }
  }

  #look({ usage, current }: Entry): void {
    if (isLive(current)) usage.look(current.stats(), this.clock.monotonic())
  }

  #residents(): EntryResident[] {
    return this.roster.live.map((entry) => this.#resident(entry))
  }

  #resident(entry: Entry): EntryResident {
    const { peer, current, origin, wanted, usage } = entry
    return {
      entry,
      wanted,
      origin,
      openedAt: current.openedAt,
      protected: this.wishes.isProtected(peer),
      stayMs: this.wishes.stayMs(peer),
      usedAt: usage.usedAt,
      ownUseAt: usage.ownUseAt,
      ownStreams: usage.ownStreams
    }
  }
}
