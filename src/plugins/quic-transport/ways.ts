import {
  ConnectionPaths,
  Path,
  PeerloomError,
  type Clock,
  type DatagramSocket,
  type KeptPaths,
  type Paths,
  type PathUser
} from '../../kernel/index.js'
import { Address, type NodeId } from '../../model/index.js'
import type { Driver } from './driver.js'
import { Follower } from './follower.js'
import { Move } from './move.js'
import { Suspicion } from './suspicion.js'
import { ACTIVE_CONNECTION_IDS } from './tls.js'
import { pathOf, sameWay, type Way } from './way.js'

/** How long a way is asked for its proof. */
export const PROVE_MS = 1_000
/**
 * After this much silence on the way in use datagrams from one that was not proved are left to quiche, for peers that
 * answer none of our probes: it follows them by the rules of RFC 9000 §9.3, at the price of one of its paths.
 */
export const STRANGER_MS = 1_000
/** An acknowledgement is waited for if quiche wants to be called within this time; otherwise only its idle timer runs. */
const WAITING_MS = 5_000

/** For how long what comes over a way that this side has left is taken to be late. */
export const LATE_MS = 2_000
/** Ways that are remembered as left. */
const MAX_LEFT = 8

export interface WaysOptions {
  readonly peer: NodeId
  readonly connection: string
  readonly driver: Driver
  readonly clock: Clock
  /** The plugin that keeps paths, if there is one. */
  readonly keeper: Paths | undefined
  /** The socket that is carried at an address. */
  readonly socketAt: (local: Address) => DatagramSocket | undefined
}

/**
 * The ways of one connection. quiche is shown a single path for life, and which way its datagrams really take is decided
 * here. It would keep several apart, but what was sent over one that dies it does not send again over another (it learns
 * of losses on a path only from acknowledgements for that path), and it takes a limited number of them in its life.
 */
export class Ways implements PathUser {
  readonly peer: NodeId
  readonly connection: string
  readonly dialler: boolean
  readonly paths: ConnectionPaths
  readonly #driver: Driver
  readonly #clock: Clock
  readonly #keeper: Paths | undefined
  readonly #socketAt: (local: Address) => DatagramSocket | undefined
  readonly #follower = new Follower()
  readonly #suspicion = new Suspicion()
  #move: Move | undefined
  #left: { readonly way: Way; readonly at: number }[] = []

  constructor({ peer, connection, driver, clock, keeper, socketAt }: WaysOptions) {
    this.peer = peer
    this.connection = connection
    this.dialler = driver.isClient
    this.#driver = driver
    this.#clock = clock
    this.#keeper = keeper
    this.#socketAt = socketAt
    this.paths = new ConnectionPaths(keeper, this)
  }

  get path(): Path {
    return pathOf(this.#driver.way)
  }

  get peerTag(): Uint8Array {
    return this.#driver.native.destinationId()
  }

  get datagramBytes(): number {
    return this.#driver.native.maxSendUdpPayloadSize()
  }

  get heardAt(): number {
    return this.#driver.heardAt
  }

  /** The smoothed round trip, in milliseconds; 0 until measured. */
  get rttMs(): number {
    return this.#driver.native.pathStats().find(({ active }) => active)?.rtt ?? 0
  }

  /** How many more paths there can be: of those that quiche does not see, any number. */
  get left(): number {
    if (this.#keeper !== undefined) return Infinity
    return Math.max(0, ACTIVE_CONNECTION_IDS - this.#driver.native.stats().pathsCount)
  }

  /** The paths of the connection, made now if need be. */
  keep(): KeptPaths | undefined {
    return this.paths.kept
  }

  async move(path: Path): Promise<void> {
    const way = this.#wayOf(path)
    this.#move?.fail('the connection moves elsewhere')
    const before = this.#driver.way
    if (sameWay(before, way)) return
    const move = (this.#move = new Move(this.#driver, way, this.#clock.monotonic()))
    try {
      await move.done
      this.#left = [...this.#left.slice(1 - MAX_LEFT), { way: before, at: this.#clock.monotonic() }]
      this.paths.ifKept?.moved(pathOf(before), 'us')
    } finally {
      if (this.#move === move) this.#move = undefined
    }
  }

  /**
   * A datagram is about to be given to quiche that came over another way than the one in use. Whether quiche is to take
   * it as if it came over that one.
   */
  takes(way: Way, now: number): boolean {
    if (this.#keeper === undefined) return false
    return this.#follower.proofOf(way) !== 'refused' || now - this.#driver.heardHereAt < STRANGER_MS
  }

  /** Whether it matters if a datagram that came over another way is the peer's, and not anyone's copy. */
  wonders(way: Way, now: number): boolean {
    return this.#follower.proofOf(way) === undefined && !this.#isLate(way, now)
  }

  /** A datagram of the peer's came over another way than the one in use. */
  heardElsewhere(way: Way, now: number): void {
    if (this.#isLate(way, now)) return
    const proved = this.keep()?.paths.some((path) => Path.equals(path, pathOf(way))) === true
    this.#follower.heard(way, now, this.#driver.heardHereAt, proved ? 'proved' : 'none')
  }

  /** The peer was followed to another way. */
  followed(before: Way): void {
    // It may have another address already by the time it follows us.
    this.#move?.succeed()
    this.paths.ifKept?.moved(pathOf(before), 'peer')
  }

  /** Called in each turn of the driver's. */
  turn(): void {
    const kept = this.paths.ifKept
    if (kept === undefined) return
    const now = this.#clock.monotonic()
    this.#move?.turn(now)
    if (!this.#follower.isIdle) this.#follow(now)
    if (kept.hasOthers && this.#suspicion.look(now, () => this.rttMs)) kept.suspect()
  }

  /** When the next turn is due. `timeout`: in how many milliseconds quiche wants to be called. */
  due(now: number, heard: boolean, timeout: number | null): number {
    if (this.paths.ifKept === undefined) return Infinity
    this.#suspicion.note(now, heard, timeout !== null && timeout < WAITING_MS)
    return Math.min(this.#suspicion.due, this.#follower.due(this.#driver.heardHereAt), this.#move?.due ?? Infinity)
  }

  end(reason: PeerloomError): void {
    this.#move?.fail('the connection has ended')
    this.paths.end(reason)
  }

  #wayOf({ local, remote }: Path): Way {
    const socket = this.#socketAt(local)
    if (socket === undefined) throw new PeerloomError('ERR_PATH', `no socket is carried at ${Address.format(local)}`)
    const carried = socket.maxDatagramBytes
    if (carried !== undefined && carried < this.datagramBytes) {
      throw new PeerloomError(
        'ERR_PATH',
        `the connection's datagrams have ${String(this.datagramBytes)} bytes, and ${Address.format(local)} carries ${String(carried)}`
      )
    }
    return { socket, remote }
  }

  /** Whether what comes over a way was sent before this side has left it, or before the peer knows. */
  #isLate(way: Way, now: number): boolean {
    if (this.#move !== undefined && sameWay(this.#move.before, way)) return true
    return this.#left.some((left) => now - left.at < LATE_MS && sameWay(left.way, way))
  }

  #follow(now: number): void {
    const { heardHereAt } = this.#driver
    for (const way of this.#follower.ask(now, heardHereAt)) void this.#prove(way)
    const way = this.#follower.choose(now, heardHereAt)
    if (way === undefined) return
    const before = this.#driver.way
    this.#driver.take(way)
    // A dialler that has moved waits for this.
    this.#driver.ping()
    this.followed(before)
  }

  async #prove(way: Way): Promise<void> {
    let proved = false
    try {
      await this.paths.probe(way.remote, { via: way.socket, timeoutMs: PROVE_MS })
      proved = true
    } catch {
      // Nobody is there, or nobody who has the key.
    }
    this.#follower.settle(way, proved)
    this.#driver.schedule()
  }
}
