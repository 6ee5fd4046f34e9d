import { CloseCode, type Clock, type ClockTimer, type Connection } from '../../kernel/index.js'
import type { NodeId } from '../../model/index.js'
import { prevails, supersedes } from './arbiter.js'
import { drain } from './drain.js'
import { originOf, type Origin } from './origin.js'
import { answerLimitMs, silenceLimitMs } from './silence.js'
import { Usage } from './usage.js'
import { replaces } from './replaces.js'

/** Connections to one peer that may drain at once; the oldest is closed when there are more. */
export const MAX_DRAINING = 2

/** A peer that is connected. */
export interface Entry {
  readonly peer: NodeId
  /** The connection in use. */
  current: Connection
  /** Those that lost, oldest first, with what stops their draining. */
  readonly draining: Map<Connection, () => void>
  readonly usage: Usage
  readonly origin: Origin
  /** This node has dialled the peer, rather than that it came uninvited. */
  wanted: boolean
  /** Looks whether anything is heard after the connection was handed to somebody. */
  watch: ClockTimer | undefined
  /** The `heardAt` at which a check found no sign of life. */
  doubtedAt: number | undefined
  /** Looks whether `current` is alive, since the peer has made another connection which lost. */
  rival: ClockTimer | undefined
}

interface RosterSetting {
  readonly self: NodeId
  readonly clock: Clock
  readonly drainMs: number
}

/** Who is connected: one connection a peer in use, and those that lost, until they are drained. */
export class Roster {
  readonly #entries = new Map<NodeId, Entry>()

  constructor(private readonly setting: RosterSetting) {}

  get(peer: NodeId): Entry | undefined {
    return this.#entries.get(peer)
  }

  get size(): number {
    return this.#entries.size
  }

  /** Peers whose connection lives. */
  get live(): Entry[] {
    return [...this.#entries.values()].filter(({ current }) => isLive(current))
  }

  /** All connections, those that drain included. */
  get connections(): Connection[] {
    return [...this.#entries.values()].flatMap(all)
  }

  /**
   * Takes a new connection in: it is used from now on, or drained. `lost` is one of the same peer's that does not
   * answer; it loses, whoever dialled.
   */
  place(connection: Connection, lost?: Connection): Entry {
    const { peer } = connection
    const entry = this.#entries.get(peer)
    if (entry === undefined) return this.#add(connection)
    const { current } = entry
    if (!isLive(current)) {
      this.#use(entry, connection)
    } else if (current === lost || supersedes(this.setting.self, peer, current, connection)) {
      this.#use(entry, connection)
      // One that has been asked already gets a second chance, no more: its callers wait.
      this.#drain(entry, current, current === lost ? 2 * answerLimitMs(current) : undefined)
    } else {
      this.#drain(entry, connection)
      if (connection.direction === 'inbound') this.#suspect(entry)
    }
    return entry
  }

  /** A connection has ended. Tells what is used instead, or that the peer has gone. */
  remove(connection: Connection): 'kept' | 'gone' {
    const { peer } = connection
    const entry = this.#entries.get(peer)
    if (entry === undefined) return 'kept'
    entry.draining.get(connection)?.()
    entry.draining.delete(connection)
    if (entry.current !== connection) return 'kept'
    // The side that dialled twice decides which of the two it keeps; what it gave up may be what was kept here.
    if (this.#promote(entry)) return 'kept'
    entry.watch?.clear()
    entry.rival?.clear()
    this.#entries.delete(peer)
    return 'gone'
  }

  /** Closes everything that leads to a peer. */
  close(peer: NodeId, code: number, reason: string): void {
    const entry = this.#entries.get(peer)
    for (const connection of entry === undefined ? [] : all(entry)) connection.close(code, reason)
  }

  #add(connection: Connection): Entry {
    const entry: Entry = {
      peer: connection.peer,
      current: connection,
      draining: new Map(),
      usage: new Usage(this.setting.clock.monotonic()),
      origin: originOf(connection.remote),
      wanted: false,
      watch: undefined,
      doubtedAt: undefined,
      rival: undefined
    }
    this.#entries.set(connection.peer, entry)
    return entry
  }

  #use(entry: Entry, connection: Connection): void {
    entry.current = connection
    entry.doubtedAt = undefined
    entry.usage.restart()
  }

  /** A peer that is restarted has none of its connections, and may dial at once: then the one kept here is dead. */
  #suspect(entry: Entry): void {
    if (entry.rival !== undefined) return
    const { current } = entry
    const rival = this.setting.clock.setTimeout(() => {
      entry.rival = undefined
      if (entry.current !== current || !isLive(current) || !this.#promote(entry)) return
      current.close(CloseCode.DUPLICATE, 'the peer has another one and does not answer on this')
    }, silenceLimitMs(current))
    entry.rival = rival
    void current.ping().then(() => {
      rival.clear()
      if (entry.rival === rival) entry.rival = undefined
    })
  }

  /**
   * A connection was given up as dead although both sides keep it by the rule. If it lives after all, the peer knows of
   * no reason to give it up, and both sides would close the one that the other keeps.
   */
  #regain(entry: Entry, connection: Connection): void {
    const { current } = entry
    void connection.ping().then((alive) => {
      if (!alive || entry.current !== current || !entry.draining.has(connection)) return
      entry.draining.get(connection)?.()
      entry.draining.delete(connection)
      this.#use(entry, connection)
      if (isLive(current)) this.#drain(entry, current)
    })
  }

  /** Uses the latest of those that drain, if there is one. */
  #promote(entry: Entry): boolean {
    const successor = [...entry.draining.keys()].filter(isLive).at(-1)
    if (successor === undefined) return false
    entry.draining.get(successor)?.()
    entry.draining.delete(successor)
    this.#use(entry, successor)
    return true
  }

  #drain(entry: Entry, connection: Connection, silenceMs?: number): void {
    const { clock, self } = this.setting
    const { draining, current } = entry
    const drainMs = replaces(current, connection) ? Infinity : this.setting.drainMs
    draining.set(connection, drain(connection, current, clock, { drainMs, silenceMs }))
    if (prevails(self, entry.peer, connection, current)) this.#regain(entry, connection)
    const [oldest] = draining
    if (oldest === undefined || draining.size <= MAX_DRAINING) return
    const [surplus, stopDraining] = oldest
    stopDraining()
    draining.delete(surplus)
    surplus.close(CloseCode.DUPLICATE, 'too many connections to one node')
  }
}

export function isLive(connection: Connection): boolean {
  return connection.closeInfo === undefined
}

function all({ current, draining }: Entry): Connection[] {
  return [...draining.keys(), current]
}
