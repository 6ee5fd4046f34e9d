import { CloseCode, type Clock, type CloseInfo, type DatagramSocket } from '../../kernel/index.js'
import type { Address } from '../../model/index.js'
import { closeNative, endOf, RepeatedClose } from './closing.js'
import { Deadlines } from './deadlines.js'
import type { Mover } from './move.js'
import type { Outbox } from './outbox.js'
import { firstPacketEnd, MIN_INITIAL_BYTES, sameDestinationEnd } from './packet.js'
import { wireCode, type NativeConnection } from './quiche.js'
import type { RandomPool } from './random-pool.js'
import { readMemory } from './read-memory.js'
import { SourceIds, type Routes } from './source-ids.js'
import type { Way } from './way.js'
import type { Ways } from './ways.js'

/** After so many packets the event loop gets its turn, so that one connection cannot starve the others. */
const PACKETS_PER_TURN = 128
/** Datagrams that may come in before they are acknowledged, while more keep coming and there is nothing else to say. */
const DATAGRAMS_PER_ANSWER = 32

/** What the drivers of an endpoint share. */
export interface DriverHost {
  readonly clock: Clock
  readonly keepAliveMs: number
  readonly outbox: Outbox
  readonly random: RandomPool
  readonly routes: Routes<Driver>
  /** The native library threw; the connection is being ended. */
  failed(error: unknown): void
}

/** What a driver tells its owner. None of these may throw. */
export interface DriverOwner {
  /** Data can be sent, or may come, before the handshake is done (RFC 9001 §4.6). Called at most once. */
  early(): void
  /** The handshake is done, as far as this side can tell. */
  established(): void
  /** Something may have become readable or writable. Called at the beginning of a turn. */
  arrived(): void
  /** The time to hand quiche what is to be sent. Called at the end of a turn. Returns whether there was anything. */
  send(): boolean
  /** It was not established within its time. */
  expired(): void
  /** It has ended; called once, while late packets are still being answered. */
  ended(info: CloseInfo): void
  /** Nothing is left of it. Called once, after `ended`. */
  gone(): void
}

export interface DriverOptions {
  readonly native: NativeConnection
  readonly host: DriverHost
  readonly owner: DriverOwner
  readonly isClient: boolean
  /** Our end of the path as quiche knows it. */
  readonly local: Address
  /** Where datagrams go, to begin with. */
  readonly way: Way
  readonly datagramBytes: number
  readonly handshakeTimeoutMs: number
}

/**
 * Drives one native connection: datagrams in, datagrams out, one timer. However much arrives in a turn of the event
 * loop is processed once, at its end, and what is said to it, by promises too, goes out together.
 */
export class Driver implements Mover {
  readonly native: NativeConnection
  /** Whether this side has dialled. */
  readonly isClient: boolean
  /** The ids by which the peer's datagrams come here. */
  readonly cids: SourceIds<Driver>
  /** Looks after the ways that the connection may take; there once the peer is authenticated. */
  ways: Ways | undefined
  readonly #host: DriverHost
  readonly #owner: DriverOwner
  /** quiche fills a client's datagrams up as long as there is something of the handshake in them. */
  #datagramBytes: number
  readonly #fullDatagramBytes: number
  readonly #receiveInfo: { from: Address; to: Address }
  /** The peer's end of the path as quiche knows it. */
  #shown: Address
  readonly #deadlines: Deadlines
  // Made once, lest every turn make its own.
  readonly #turn = (): void => {
    this.#attempt(this.#beginTurn)
    queueMicrotask(this.#afterPromises)
  }
  /** Ticks that are asked for by a promise's job come when all promises that can settle have done so. */
  readonly #afterPromises = (): void => {
    process.nextTick(this.#attemptEnd)
  }
  readonly #attemptEnd = (): void => {
    this.#scheduled = false
    this.#attempt(this.#endTurn)
  }
  readonly #sendAll = (): void => {
    this.#flush()
  }
  #way: Way
  #scheduled = false
  #established = false
  #early = false
  #gone = false
  #endInfo: CloseInfo | undefined
  #armedAt = -Infinity
  #heard = false
  #heardAt: number
  /** Datagrams that have come in since something was sent last. */
  #unanswered = 0
  /** Something has come over the way in use since the last turn. */
  #heardHere = false
  #heardHereAt: number
  #arrivals = 0
  #closing: RepeatedClose | undefined

  constructor(options: DriverOptions) {
    this.native = options.native
    this.#host = options.host
    this.#owner = options.owner
    this.#way = options.way
    this.#shown = options.way.remote
    this.isClient = options.isClient
    this.#fullDatagramBytes = options.datagramBytes
    this.#datagramBytes = options.isClient ? MIN_INITIAL_BYTES : options.datagramBytes
    this.#receiveInfo = { from: this.#shown, to: options.local }
    const { clock, keepAliveMs, routes, random } = options.host
    this.#heardAt = this.#heardHereAt = clock.monotonic()
    this.#deadlines = new Deadlines(clock, keepAliveMs, options.handshakeTimeoutMs, () => {
      this.#attempt(this.#onTimer)
    })
    this.cids = new SourceIds(this.native, routes, this, random)
  }

  /** Where datagrams go. */
  get way(): Way {
    return this.#way
  }

  /** When something arrived over the way in use last, or since when it is in use. */
  get heardHereAt(): number {
    return this.#heardHereAt
  }

  /** Takes another way from now on. quiche does not notice: to it, a datagram is lost or late. */
  take(way: Way): void {
    this.#way = way
    this.#heardHere = false
    this.#heardHereAt = this.#host.clock.monotonic()
  }

  get clock(): Clock {
    return this.#host.clock
  }

  /** Something has arrived since the last turn. */
  get heard(): boolean {
    return this.#heard
  }

  /** Datagrams that have arrived: as long as this stays the same, there is nothing new to read. */
  get arrivals(): number {
    return this.#arrivals
  }

  /** When something arrived last. */
  get heardAt(): number {
    return this.#heardAt
  }

  /** Sends something that the peer must acknowledge, again and again until it does. */
  ping(): void {
    this.#attempt(() => {
      this.native.sendAckEliciting()
      this.schedule()
    })
  }

  /** Takes a datagram. False if the library refused it, which may also have ended the connection. */
  receive(data: Uint8Array, from: Address, socket: DatagramSocket): boolean {
    const { remote } = this.#way
    if (this.#closing !== undefined) {
      if (this.#closing.received(data.length)) this.#host.outbox.send(this.#closing.packet, remote, this.#way.socket)
      return true
    }
    this.#unanswered++
    this.#arrivals++
    this.schedule()
    if (from.port !== remote.port || from.host !== remote.host || socket !== this.#way.socket) {
      return this.#receiveElsewhere(data, { socket, remote: from })
    }
    this.#heard = this.#heardHere = true
    return this.#hand(data, this.#shown)
  }

  /** A datagram came over another way than the one in use. */
  #receiveElsewhere(data: Uint8Array, way: Way): boolean {
    const { ways, native } = this
    const now = this.#host.clock.monotonic()
    if (ways?.takes(way, now) !== true) {
      this.#heard = true
      const taken = this.#hand(data, way.remote)
      this.#followPaths()
      return taken
    }
    const known = !ways.wonders(way, now)
    const before = known ? 0 : native.stats().recv
    const taken = this.#hand(data, this.#shown)
    // quiche counts what it could decrypt and has not seen before.
    if (known || native.stats().recv > before) {
      this.#heard = true
      ways.heardElsewhere(way, now)
    }
    return taken
  }

  /** Gives quiche a datagram as one that came from an address. False if quiche refused it. */
  #hand(data: Uint8Array, from: Address): boolean {
    this.#receiveInfo.from = from
    try {
      // quiche throws a whole datagram away if it has no keys any more for the first packet in it, such as one of the
      // handshake that was sent again together with data.
      const end = this.#established ? firstPacketEnd(data) : sameDestinationEnd(data)
      this.native.recv(end === data.length ? data : data.subarray(0, end), this.#receiveInfo)
      if (end < data.length && this.#established) this.native.recv(data.subarray(end), this.#receiveInfo)
      readMemory.give(data)
      return true
    } catch {
      // quiche has closed the connection by itself if need be; the turn finds out.
      return false
    }
  }

  /** Asks for a turn at the end of this turn of the event loop. */
  schedule(): void {
    if (this.#scheduled || this.#gone) return
    this.#scheduled = true
    setImmediate(this.#turn)
  }

  /** Sends what quiche has to send, without waiting for a turn. */
  flush(): void {
    this.#attempt(this.#sendAll)
  }

  /** Ends the connection and tells the peer. Idempotent. */
  close(code: number, reason: string): void {
    if (this.#endInfo !== undefined) return
    this.#attempt(() => {
      // The last words go first: a client's Finished too, without which the peer could not read the close.
      this.#flush()
      closeNative(this.native, code, reason)
      const packet = this.#flush()
      if (packet !== undefined) this.#closing = new RepeatedClose(packet.slice())
      this.schedule()
    })
    this.#end({ code: wireCode(code), reason, by: 'us', transport: false })
  }

  /** Says what quiche has to say about a first packet that it refused, such as that no protocol is in common, and forgets it. */
  dismiss(): void {
    this.flush()
    this.abandon()
  }

  /** Forgets everything at once; nothing is said to the peer. */
  abandon(reason = 'abandoned'): void {
    this.#end({ code: CloseCode.INTERNAL, reason, by: 'us', transport: false })
    if (this.#gone) return
    this.#gone = true
    this.#deadlines.clear()
    this.cids.clear()
    this.#owner.gone()
  }

  /** Runs native calls; whatever they throw ends this connection and nothing else. */
  #attempt(work: () => void): void {
    if (this.#gone) return
    try {
      work()
    } catch (error) {
      this.#host.failed(error)
      this.abandon('the QUIC library failed')
    }
  }

  /** Streams can be used. */
  get #usable(): boolean {
    return (this.#established || this.#early) && this.#endInfo === undefined
  }

  #establish(): void {
    this.#established = true
    this.#deadlines.established()
    // quiche sends early data that was refused or lost again once something later is acknowledged, or after far longer.
    if (this.#early && this.isClient) this.native.sendAckEliciting()
    this.#owner.established()
  }

  readonly #beginTurn = (): void => {
    const { native } = this
    if (this.#heard) this.#heardAt = this.#host.clock.monotonic()
    if (this.#heardHere) this.#heardHereAt = this.#heardAt
    this.#heardHere = false
    if (!this.#established && this.#endInfo === undefined) {
      if (native.isEstablished()) this.#establish()
      else if (!this.#early && native.isInEarlyData()) {
        this.#early = true
        this.#owner.early()
      }
    }
    if (!this.#usable) return
    if (this.#established && this.#heard) this.#deadlines.heard(this.#heardAt)
    this.#owner.arrived()
    this.ways?.turn()
  }

  readonly #endTurn = (): void => {
    const { native } = this
    if (this.#usable) {
      const sending = this.#owner.send()
      if (this.#established) {
        if (!sending && this.#awaitsMore()) return
        if (!native.isDraining()) this.cids.supply()
      }
    }
    this.#flush()
    // A client may send early data from its first packet on, and a handshake may be done by sending: one in which early
    // data was refused is.
    if (!this.#established && (native.isEstablished() || (!this.#early && native.isInEarlyData()))) this.schedule()
    if (this.#established) this.#datagramBytes = this.#fullDatagramBytes
    if (this.#endInfo === undefined) {
      const end = endOf(native)
      if (end !== undefined) this.#end(end)
    }
    if (native.isClosed()) this.abandon()
    else this.#arm()
  }

  /**
   * Whether the acknowledgement can wait for another turn, to stand for more datagrams (RFC 9000 §13.2.2). A turn in
   * which none has come ends the waiting, so that it adds no delay to speak of and needs no timer.
   */
  #awaitsMore(): boolean {
    if (!this.#heard || this.#unanswered >= DATAGRAMS_PER_ANSWER || this.#endInfo !== undefined) return false
    this.#heard = false
    this.schedule()
    return true
  }

  /** Sends what quiche has to send; returns the last datagram. */
  #flush(): Uint8Array | undefined {
    let last: Uint8Array | undefined
    this.#unanswered = 0
    const { outbox } = this.#host
    outbox.begin()
    for (let packets = 0; packets < PACKETS_PER_TURN; packets++) {
      const sent = this.native.send(outbox.room(this.#datagramBytes))
      if (sent === null) return last
      const { host, port } = sent[1].to
      const isShown = port === this.#shown.port && host === this.#shown.host
      last = outbox.sendRoom(sent[0], isShown ? this.#way.remote : { host, port }, this.#way.socket)
    }
    this.schedule()
    return last
  }

  /** Where ways are not proved, quiche follows the peer by itself. */
  #followPaths(): void {
    for (let event = this.native.pathEventNext(); event !== null; event = this.native.pathEventNext()) {
      if (event.type !== 'PeerMigrated') continue
      const before = this.#way
      this.#shown = { host: event.new.host, port: event.new.port }
      this.take({ socket: before.socket, remote: this.#shown })
      this.ways?.followed(before)
    }
  }

  #end(info: CloseInfo): void {
    if (this.#endInfo !== undefined) return
    this.#endInfo = info
    this.#deadlines.ended()
    this.#owner.ended(info)
  }

  /** Has itself called when something is due. */
  #arm(): void {
    const now = this.#host.clock.monotonic()
    const timeout = this.native.timeout()
    const waysDue = this.ways?.due(now, this.#heardAt >= this.#armedAt, timeout) ?? Infinity
    this.#armedAt = now
    this.#heard = false
    this.#deadlines.arm(now, timeout === null ? waysDue : Math.min(now + timeout, waysDue))
  }

  readonly #onTimer = (): void => {
    const now = this.#host.clock.monotonic()
    if (this.native.timeout() === 0) this.native.onTimeout()
    if (this.#deadlines.handshakeExpired(now)) {
      this.#owner.expired()
      if (this.#gone) return
    }
    if (this.#deadlines.wantsSignOfLife(now)) this.native.sendAckEliciting()
    this.schedule()
  }
}
