import {
  abortReason,
  CloseCode,
  ConnectionClosedError,
  Drain,
  messageOf,
  PeerloomError,
  type CloseInfo,
  type Connection,
  type ConnectionStats,
  type Draining,
  type Logger,
  type Path,
  type PathChange,
  type ProbeOptions,
  type Stream
} from '../../kernel/index.js'
import type { Observable } from 'rxjs'
import type { Address, NodeId } from '../../model/index.js'
import type { Driver } from './driver.js'
import { FairQueue } from './fair-queue.js'
import { isAcknowledged } from './in-flight.js'
import { Messages } from './messages.js'
import type { QuicTransportConfig } from './options.js'
import type { NativeConnection } from './quiche.js'
import { StopProbe } from './stop-probe.js'
import { StoppedStreams } from './stopped-streams.js'
import { QuicStream, type StreamOwner } from './stream.js'
import { WaitingOpens } from './waiting-opens.js'
import type { Ways } from './ways.js'
import { isWorn } from './wear.js'

/** Up to so many waiting readers are asked one by one before the library is asked for a list, which costs more. */
const PROBED_READERS = 32

/** Ids of bidirectional streams have these low bits (RFC 9000 §2.1), and grow in steps of four. */
const CLIENT_STREAMS = 0
const SERVER_STREAMS = 1
const STREAM_ID_STEP = 4
const STREAM_ID_BITS = 3

const nothing = new Uint8Array(0)

export interface ConnectionIdentity {
  readonly id: string
  readonly peer: NodeId
  readonly direction: 'inbound' | 'outbound'
  readonly transport: string
  readonly protocol: string
  readonly openedAt: number
  /** The handshake is not done. */
  readonly early: boolean
}

export type ConnectionLimits = Pick<QuicTransportConfig, 'drainMs' | 'idleTimeoutMs' | 'maxQueuedMessages'>

/** A connection to a peer that is known, be it early: its streams, over a {@link Driver}. */
export class QuicConnection implements Connection, StreamOwner, Draining {
  readonly id: string
  readonly peer: NodeId
  readonly direction: 'inbound' | 'outbound'
  readonly transport: string
  readonly protocol: string
  readonly openedAt: number
  readonly closed: Promise<CloseInfo>
  readonly native: NativeConnection
  readonly #driver: Driver
  readonly #ways: Ways
  readonly #log: Logger
  readonly #limits: ConnectionLimits
  readonly #streams = new Map<number, QuicStream>()
  readonly #readers = new Set<QuicStream>()
  readonly #senders = new FairQueue()
  readonly #over: QuicStream[] = []
  readonly #opens = new WaitingOpens()
  readonly #stops = new StopProbe(this.#streams)
  readonly #stopped = new StoppedStreams()
  readonly #messages: Messages
  readonly #untaken: QuicStream[] = []
  /** Ids below the highest that the peer has used, which have not shown up yet: packets overtake each other. */
  readonly #skipped = new Set<number>()
  #nextOwn: number
  #nextOfPeer: number
  #onStream: ((stream: Stream) => void) | undefined
  #drain: Drain | undefined
  #closeInfo: CloseInfo | undefined
  #failure: ConnectionClosedError | undefined
  #resolveClosed!: (info: CloseInfo) => void
  #ownOpen = 0
  #early: boolean
  /** The end of the handshake that is waited for. */
  #confirmation: { readonly done: Promise<boolean>; readonly settle: (confirmed: boolean) => void } | undefined
  /** A sign of life that is waited for. */
  #ping: { readonly answered: Promise<boolean>; readonly answer: (alive: boolean) => void } | undefined

  constructor(identity: ConnectionIdentity, driver: Driver, ways: Ways, log: Logger, limits: ConnectionLimits) {
    this.id = identity.id
    this.peer = identity.peer
    this.direction = identity.direction
    this.transport = identity.transport
    this.protocol = identity.protocol
    this.openedAt = identity.openedAt
    this.#early = identity.early
    this.native = driver.native
    this.#messages = new Messages(this, limits.maxQueuedMessages)
    this.#driver = driver
    this.#ways = ways
    this.#log = log
    this.#limits = limits
    const client = identity.direction === 'outbound'
    this.#nextOwn = client ? CLIENT_STREAMS : SERVER_STREAMS
    this.#nextOfPeer = client ? SERVER_STREAMS : CLIENT_STREAMS
    this.closed = new Promise((resolve) => (this.#resolveClosed = resolve))
  }

  get path(): Path {
    return this.#ways.path
  }

  get remote(): Address {
    return this.#driver.way.remote
  }

  get paths(): readonly Path[] {
    return this.#ways.paths.paths
  }

  get paths$(): Observable<PathChange> {
    return this.#ways.paths.paths$
  }

  probe(remote: Address, options?: ProbeOptions): Promise<Path> {
    return this.#ways.paths.probe(remote, options)
  }

  migrate(path: Path, options?: { signal?: AbortSignal | undefined }): Promise<void> {
    return this.#ways.paths.migrate(path, options)
  }

  get closeInfo(): CloseInfo | undefined {
    return this.#closeInfo
  }

  get failure(): ConnectionClosedError | undefined {
    // Made when someone asks, since that takes longer than anything else of an end.
    if (this.#closeInfo !== undefined) this.#failure ??= new ConnectionClosedError(this.#closeInfo)
    return this.#failure
  }

  get readable(): boolean {
    return this.#closeInfo === undefined || this.#closeInfo.by === 'peer'
  }

  async open({ signal }: { signal?: AbortSignal | undefined } = {}): Promise<Stream> {
    if (signal?.aborted === true) throw abortReason(signal)
    return this.tryOpen() ?? this.#opens.wait(signal)
  }

  tryOpen(): Stream | undefined {
    const failure = this.failure ?? this.#drain?.refusal
    if (failure !== undefined) throw failure
    return this.#opens.size > 0 ? undefined : this.#openNow()
  }

  get onStream(): ((stream: Stream) => void) | undefined {
    return this.#onStream
  }

  set onStream(handler: ((stream: Stream) => void) | undefined) {
    this.#onStream = handler
    while (this.#onStream !== undefined) {
      const stream = this.#untaken.shift()
      if (stream === undefined) return
      this.#offer(stream)
    }
  }

  get early(): boolean {
    return this.#early
  }

  confirmed(): Promise<boolean> {
    if (!this.#early || this.#closeInfo !== undefined) return Promise.resolve(!this.#early)
    if (this.#confirmation === undefined) {
      let settle!: (confirmed: boolean) => void
      this.#confirmation = { done: new Promise((resolve) => (settle = resolve)), settle }
    }
    return this.#confirmation.done
  }

  /** The handshake is done. */
  confirm(): void {
    this.#early = false
    this.#messages.arrived()
    this.#confirmation?.settle(true)
  }

  get arrivals(): number {
    return this.#driver.arrivals
  }

  get heardAt(): number {
    return this.#driver.heardAt
  }

  ping(): Promise<boolean> {
    if (this.#closeInfo !== undefined) return Promise.resolve(false)
    if (this.#ping === undefined) {
      let answer!: (alive: boolean) => void
      this.#ping = { answered: new Promise((resolve) => (answer = resolve)), answer }
      this.#driver.ping()
    }
    return this.#ping.answered
  }

  sendMessage(message: Uint8Array): boolean {
    if (this.failure !== undefined) throw this.failure
    return this.#messages.send(message)
  }

  get maxMessageBytes(): number {
    return this.#messages.maxBytes
  }

  get onMessage(): ((message: Uint8Array) => void) | undefined {
    return this.#messages.handler
  }

  set onMessage(handler: ((message: Uint8Array) => void) | undefined) {
    this.#messages.handler = handler
  }

  close(code: number = CloseCode.OK, reason = ''): void {
    this.#driver.close(code, reason)
  }

  drain(code: number = CloseCode.OK, reason = ''): Promise<CloseInfo> {
    const { drainMs } = this.#limits
    if (drainMs === 0) this.close(code, reason)
    if (this.#closeInfo === undefined && this.#drain === undefined) {
      const drain = (this.#drain = new Drain(this, this.#driver.clock, { code, reason, drainMs }))
      this.#opens.fail(drain.refusal)
      for (const stream of this.#untaken.splice(0)) this.#refuse(stream)
      drain.look()
    }
    return this.closed
  }

  get isBusy(): boolean {
    if (!this.#senders.isEmpty) return true
    for (const stream of this.#streams.values()) if (stream.halfOver) return true
    return false
  }

  get isAcknowledged(): boolean {
    // What is to be sent counts, too.
    this.#driver.flush()
    const silentMs = this.#driver.clock.monotonic() - this.#driver.heardAt
    return isAcknowledged(this.native, this.#limits.idleTimeoutMs, silentMs)
  }

  stats(): ConnectionStats {
    const { sentBytes, recvBytes, lost, lostBytes, peerInitialMaxStreamsBidi: firstStreams } = this.native.stats()
    const pathsLeft = this.#ways.left
    const ownStreams = this.#ownOpen
    const path = this.native.pathStats().find(({ active }) => active)
    return {
      rttMs: path?.rtt ?? 0,
      sentBytes,
      receivedBytes: recvBytes,
      lostPackets: lost,
      pathsLeft,
      worn: isWorn({ pathsLeft, streamsLeft: this.native.peerStreamsLeftBidi(), ownStreams, firstStreams }),
      lostBytes,
      congestionWindowBytes: path?.cwnd ?? 0,
      sentMessages: this.#messages.sent,
      receivedMessages: this.#messages.received,
      droppedMessages: this.#messages.dropped,
      streams: this.#streams.size,
      ownStreams,
      openedStreams: Math.floor(this.#nextOwn / STREAM_ID_STEP),
      acceptedStreams: Math.floor(this.#nextOfPeer / STREAM_ID_STEP) - this.#skipped.size
    }
  }

  awaitData(stream: QuicStream): void {
    this.#readers.add(stream)
  }

  awaitSending(stream: QuicStream): void {
    this.#senders.add(stream)
    this.schedule()
  }

  withdraw(stream: QuicStream): boolean {
    return this.#senders.delete(stream)
  }

  schedule(): void {
    this.#driver.schedule()
  }

  flush(): void {
    this.#driver.flush()
  }

  awaitRelease(stream: QuicStream): void {
    if (this.#closeInfo === undefined) this.#stopped.add(stream)
  }

  settled(stream: QuicStream): void {
    this.#streams.delete(stream.id)
    if ((stream.id & STREAM_ID_BITS) === (this.#nextOwn & STREAM_ID_BITS)) this.#ownOpen--
    this.#readers.delete(stream)
    this.#over.push(stream)
    this.schedule()
  }

  guard(callback: (() => void) | undefined): void {
    if (callback === undefined) return
    try {
      callback()
    } catch (error) {
      this.#log.error('a handler of a stream or connection threw', error)
    }
  }

  broken(error: unknown): PeerloomError {
    this.close(CloseCode.INTERNAL, `the QUIC library failed: ${messageOf(error)}`)
    return this.failure ?? new PeerloomError('ERR_STREAM_CLOSED', 'the stream is over', { cause: error })
  }

  /** Takes what has arrived to its readers. */
  arrived(): void {
    if (this.#ping !== undefined && this.#driver.heard) this.#answerPing(true)
    // Early ones may be a recording that is played again; they wait in quiche.
    if (this.#driver.heard && !this.#early) this.#messages.arrived()
    if (this.#stops.run(this.#driver.heard)) this.schedule()
    if (this.#driver.heard) this.#stopped.run()
    this.#read()
    if (this.#opens.size > 0) this.#opens.serve(() => this.#openNow())
    this.#finish()
    this.#drain?.look()
  }

  /** Hands quiche what waits to be sent. Returns whether there was anything. */
  send(): boolean {
    if (this.#senders.share()) this.schedule()
    this.#finish()
    // Readers that promises woke may have come to an end in this turn.
    this.#drain?.look()
    return this.#senders.served || this.#messages.pending
  }

  /** The driver says that it is over. */
  ended(info: CloseInfo): void {
    this.#closeInfo = info
    this.#confirmation?.settle(!this.#early)
    this.#drain?.stop()
    this.#answerPing(false)
    if (this.#opens.size > 0) this.#opens.fail(new ConnectionClosedError(info))
    this.#ownOpen = 0
    const streams = [...this.#streams.values()]
    this.#streams.clear()
    this.#readers.clear()
    this.#senders.clear()
    this.#stopped.clear()
    this.#messages.clear()
    for (const stream of streams) stream.fail()
    this.#finish()
    this.#ways.end(this.failure as ConnectionClosedError)
    this.#resolveClosed(info)
  }

  #openNow(): QuicStream | undefined {
    if (this.native.peerStreamsLeftBidi() <= 0) return undefined
    const stream = new QuicStream(this.#nextOwn, this)
    this.#nextOwn += STREAM_ID_STEP
    // Sending nothing makes the stream known to quiche, so that it is counted, and can be reset before its first byte.
    this.native.streamSend(stream.id, nothing, false)
    this.#streams.set(stream.id, stream)
    this.#ownOpen++
    return stream
  }

  #answerPing(alive: boolean): void {
    this.#ping?.answer(alive)
    this.#ping = undefined
  }

  #read(): void {
    const { native } = this
    if (!native.isReadable()) return
    // A handler may close the connection while it is given a stream.
    while (this.#closeInfo === undefined && native.streamReadable(this.#nextOfPeer)) this.#arrived(this.#nextOfPeer)
    if (this.#readers.size <= PROBED_READERS) {
      for (const stream of this.#readers) if (native.streamReadable(stream.id)) this.#tell(stream)
    }
    if (this.#closeInfo !== undefined || !native.isReadable()) return
    for (const id of [...native.readable()]) if (this.closeInfo === undefined) this.#arrived(id)
  }

  /** Something can be read from a stream. */
  #arrived(id: number): void {
    const stream = this.#streams.get(id)
    if (stream !== undefined) {
      if (stream.wantsData) this.#tell(stream)
      return
    }
    if ((id & STREAM_ID_BITS) !== (this.#nextOfPeer & STREAM_ID_BITS)) return
    if (id >= this.#nextOfPeer) {
      for (; this.#nextOfPeer < id; this.#nextOfPeer += STREAM_ID_STEP) this.#skipped.add(this.#nextOfPeer)
      this.#nextOfPeer += STREAM_ID_STEP
    } else if (!this.#skipped.delete(id)) return
    const opened = new QuicStream(id, this)
    this.#streams.set(id, opened)
    this.#offer(opened)
  }

  #tell(stream: QuicStream): void {
    this.#readers.delete(stream)
    stream.dataArrived()
  }

  /** There are to be no further streams. */
  #refuse(stream: QuicStream): void {
    const { code } = (this.#drain as Drain).refusal.info
    stream.reset(code)
    stream.stop(code)
  }

  #offer(stream: QuicStream): void {
    if (this.#drain !== undefined) {
      this.#refuse(stream)
      return
    }
    const handler = this.#onStream
    if (handler === undefined) {
      this.#untaken.push(stream)
      return
    }
    this.guard(() => {
      handler(stream)
    })
  }

  #finish(): void {
    for (let stream = this.#over.shift(); stream !== undefined; stream = this.#over.shift()) stream.finish()
  }
}
