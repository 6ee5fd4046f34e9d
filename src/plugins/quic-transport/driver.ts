import { CloseCode, type Clock, type CloseInfo, type ClockTimer, type DatagramSocket } from '../../kernel/index.js'
import type { Address } from '../../model/index.js'
import type { Mover } from './move.js'
import { cidKey, CID_BYTES, firstPacketEnd, MIN_INITIAL_BYTES, sameDestinationEnd } from './packet.js'
import type { NativeConnection, NativeError } from './quiche.js'
import { readMemory } from './read-memory.js'
import type { Way } from './way.js'
import type { Ways } from './ways.js'

/**
 * Connection ids that the peer is given: one in use and a spare one, for peers that move by the rules of QUIC. It is
 * given another for each that it has used up; each costs some hundred bytes at either end.
 */
const CIDS_IN_SUPPLY = 2
/** Length of a stateless reset token (RFC 9000 §10.3). */
const RESET_TOKEN_BYTES = 16
/** After so many packets the event loop gets its turn, so that one connection cannot starve the others. */
const PACKETS_PER_TURN = 128
/** Datagrams that may come in before they are acknowledged, while more keep coming and there is nothing else to say. */
const DATAGRAMS_PER_ANSWER = 32
/** A close reason is cut to this many bytes, so that it always fits into a packet. */
const MAX_REASON_BYTES = 512
/** How many times as much may be sent to an address as came from it, until it has proved itself (RFC 9000 §8). */
const MAX_AMPLIFICATION = 3
/** The transport error that stands for an application's close before the handshake is done (RFC 9000 §20.1). */
const APPLICATION_ERROR = 0x0c

/** What a driver uses of the endpoint it belongs to. */
export interface DriverHost {
  readonly clock: Clock
  readonly keepAliveMs: number
  /** Comes before the rooms and sends of a flush. */
  beginSending(): void
  /** Memory for one datagram, the same until some of it is sent. */
  room(bytes: number): Uint8Array
  /** Sends the first `bytes` of the room that was given last, and returns them, for use until the next flush. */
  sendRoom(bytes: number, to: Address, socket: DatagramSocket): Uint8Array
  send(data: Uint8Array, to: Address, socket: DatagramSocket): void
  /** Unpredictable bytes. */
  random(bytes: number): Uint8Array
  /** Leads datagrams with this destination id to the driver. */
  route(cid: Uint8Array, driver: Driver): void
  unroute(cid: Uint8Array): void
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
  /** Looks after the ways that the connection may take; there once the peer is authenticated. */
  ways: Ways | undefined
  readonly #host: DriverHost
  readonly #owner: DriverOwner
  readonly #options: DriverOptions
  /** quiche fills a client's datagrams up as long as there is something of the handshake in them. */
  #datagramBytes: number
  readonly #receiveInfo: { from: Address; to: Address }
  /** The peer's end of the path as quiche knows it. */
  #shown: Address
  readonly #cids = new Map<string, Uint8Array>()
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
  readonly #attemptTimer = (): void => {
    this.#timer = undefined
    this.#attempt(this.#onTimer)
  }
  #way: Way
  #scheduled = false
  #established = false
  #early = false
  #gone = false
  #endInfo: CloseInfo | undefined
  #timer: ClockTimer | undefined
  #armedAt = -Infinity
  #due = 0
  #handshakeDue: number
  #keepAliveDue = Infinity
  #heard = false
  #heardAt: number
  /** Datagrams that have come in since something was sent last. */
  #unanswered = 0
  /** Something has come over the way in use since the last turn. */
  #heardHere = false
  #heardHereAt: number
  #arrivals = 0
  /** The packet that told the peer of our close, repeated when the peer seems to have missed it (RFC 9000 §10.2.1). */
  #closing: Uint8Array | undefined
  #receivedAfterClose = 0
  #repeatAt = 1
  /** What may be sent for what has come since. */
  #bytesAfterClose = 0

  constructor(options: DriverOptions) {
    this.native = options.native
    this.#host = options.host
    this.#owner = options.owner
    this.#way = options.way
    this.#shown = options.way.remote
    this.#options = options
    this.#datagramBytes = options.isClient ? MIN_INITIAL_BYTES : options.datagramBytes
    this.#receiveInfo = { from: this.#shown, to: options.local }
    this.#heardAt = this.#heardHereAt = this.#host.clock.monotonic()
    this.#handshakeDue = this.#heardAt + options.handshakeTimeoutMs
    this.addCid(this.native.sourceId())
  }

  /** Whether this side has dialled. */
  get isClient(): boolean {
    return this.#options.isClient
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

  get endInfo(): CloseInfo | undefined {
    return this.#endInfo
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

  /** Leads datagrams with this destination id here, until the end or until it is retired. */
  addCid(cid: Uint8Array): void {
    this.#cids.set(cidKey(cid), cid)
    this.#host.route(cid, this)
  }

  /** Takes a datagram. False if the library refused it, which may also have ended the connection. */
  receive(data: Uint8Array, from: Address, socket: DatagramSocket): boolean {
    const { remote } = this.#way
    if (this.#closing !== undefined) {
      this.#repeatClose(this.#closing, data.length)
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

  /** Ever more seldom, and never with more than the peer may be sent for what came from it (RFC 9000 §8.1). */
  #repeatClose(closing: Uint8Array, received: number): void {
    this.#bytesAfterClose += received * MAX_AMPLIFICATION
    if (++this.#receivedAfterClose < this.#repeatAt || this.#bytesAfterClose < closing.length) return
    this.#repeatAt = this.#receivedAfterClose * 2
    this.#bytesAfterClose -= closing.length
    this.#host.send(closing, this.#way.remote, this.#way.socket)
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
    const wireCode = Number.isSafeInteger(code) && code >= 0 ? code : CloseCode.INTERNAL
    this.#attempt(() => {
      // The last words go first: a client's Finished too, without which the peer could not read the close.
      this.#flush()
      const bytes = Buffer.from(reason).subarray(0, MAX_REASON_BYTES)
      if (this.#established || this.native.isEstablished()) this.native.close(true, wireCode, bytes)
      else this.native.close(false, APPLICATION_ERROR, bytes)
      this.#closing = this.#flush()?.slice()
      this.schedule()
    })
    this.#end({ code: wireCode, reason, by: 'us', transport: false })
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
    this.#timer?.clear()
    for (const cid of this.#cids.values()) this.#host.unroute(cid)
    this.#cids.clear()
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
    this.#handshakeDue = Infinity
    // quiche sends early data that was refused or lost again once something later is acknowledged, or after far longer.
    if (this.#early && this.#options.isClient) this.native.sendAckEliciting()
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
    if (this.#established && this.#heard && this.#host.keepAliveMs > 0) {
      this.#keepAliveDue = this.#heardAt + this.#host.keepAliveMs
    }
    this.#owner.arrived()
    this.ways?.turn()
  }

  readonly #endTurn = (): void => {
    const { native } = this
    if (this.#usable) {
      const sending = this.#owner.send()
      if (this.#established) {
        if (!sending && this.#awaitsMore()) return
        if (!native.isDraining()) this.#supplyCids()
      }
    }
    this.#flush()
    // A client may send early data from its first packet on, and a handshake may be done by sending: one in which early
    // data was refused is.
    if (!this.#established && (native.isEstablished() || (!this.#early && native.isInEarlyData()))) this.schedule()
    if (this.#established) this.#datagramBytes = this.#options.datagramBytes
    this.#noticeEnd()
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
    this.#host.beginSending()
    for (let packets = 0; packets < PACKETS_PER_TURN; packets++) {
      const sent = this.native.send(this.#host.room(this.#datagramBytes))
      if (sent === null) return last
      const { host, port } = sent[1].to
      const isShown = port === this.#shown.port && host === this.#shown.host
      last = this.#host.sendRoom(sent[0], isShown ? this.#way.remote : { host, port }, this.#way.socket)
    }
    this.schedule()
    return last
  }

  #supplyCids(): void {
    const { native } = this
    for (let retired = native.retiredScidNext(); retired !== null; retired = native.retiredScidNext()) {
      if (this.#cids.delete(cidKey(retired))) this.#host.unroute(retired)
    }
    while (native.activeSourceCids() < CIDS_IN_SUPPLY && native.sourceCidsLeft() > 0) {
      const cid = this.#host.random(CID_BYTES)
      const [low = 0n, high = 0n] = new BigUint64Array(this.#host.random(RESET_TOKEN_BYTES).buffer)
      native.newSourceCid(cid, low | (high << 64n), false)
      this.addCid(cid)
    }
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

  #noticeEnd(): void {
    if (this.#endInfo !== undefined) return
    const { native } = this
    if (!native.isDraining() && !native.isClosed()) return
    const byPeer = native.peerError()
    const byUs = native.localError()
    if (byPeer !== null) this.#end(infoOf(byPeer, 'peer'))
    else if (byUs !== null) this.#end(infoOf(byUs, 'us'))
    else this.#end({ code: CloseCode.IDLE, reason: 'the peer has fallen silent', by: 'timeout', transport: false })
  }

  #end(info: CloseInfo): void {
    if (this.#endInfo !== undefined) return
    this.#endInfo = info
    this.#handshakeDue = Infinity
    this.#keepAliveDue = Infinity
    this.#owner.ended(info)
  }

  /** Sets the timer to whatever comes first. One that is early is left alone: it looks again when it fires. */
  #arm(): void {
    const { clock } = this.#host
    const now = clock.monotonic()
    const timeout = this.native.timeout()
    const due = Math.min(
      timeout === null ? Infinity : now + timeout,
      this.#handshakeDue,
      this.#keepAliveDue,
      this.ways?.due(now, this.#heardAt >= this.#armedAt, timeout) ?? Infinity
    )
    this.#armedAt = now
    this.#heard = false
    if (due === Infinity) return
    if (this.#timer !== undefined) {
      if (this.#due <= due + 1) return
      this.#timer.clear()
    }
    this.#due = due
    this.#timer = clock.setTimeout(this.#attemptTimer, Math.max(1, due - now))
  }

  readonly #onTimer = (): void => {
    const now = this.#host.clock.monotonic()
    if (this.native.timeout() === 0) this.native.onTimeout()
    if (now >= this.#handshakeDue) {
      this.#handshakeDue = Infinity
      this.#owner.expired()
      if (this.#gone) return
    }
    if (now >= this.#keepAliveDue) {
      this.#keepAliveDue = now + this.#host.keepAliveMs
      this.native.sendAckEliciting()
    }
    this.schedule()
  }
}

function infoOf({ isApp, errorCode, reason }: NativeError, by: 'us' | 'peer'): CloseInfo {
  return { code: errorCode, reason: Buffer.from(reason).toString().slice(0, MAX_REASON_BYTES), by, transport: !isApp }
}
