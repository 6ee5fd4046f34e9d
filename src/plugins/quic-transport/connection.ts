import {
  abortReason,
  CloseCode,
  ConnectionClosedError,
  messageOf,
  PeerloomError,
  type CloseInfo,
  type Connection,
  type ConnectionStats,
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
import type { NativeConnection } from './quiche.js'
import { StopProbe } from './stop-probe.js'
import { QuicStream, type StreamOwner } from './stream.js'
import { WaitingOpens } from './waiting-opens.js'
import type { Ways } from './ways.js'

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
}

/** An authenticated connection: its streams, over a {@link Driver}. */
export class QuicConnection implements Connection, StreamOwner {
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
  readonly #streams = new Map<number, QuicStream>()
  readonly #readers = new Set<QuicStream>()
  readonly #senders = new FairQueue()
  readonly #over: QuicStream[] = []
  readonly #opens = new WaitingOpens()
  readonly #stops = new StopProbe(this.#streams)
  readonly #untaken: QuicStream[] = []
  /** Ids below the highest that the peer has used, which have not shown up yet: packets overtake each other. */
  readonly #skipped = new Set<number>()
  #nextOwn: number
  #nextOfPeer: number
  #onStream: ((stream: Stream) => void) | undefined
  #closeInfo: CloseInfo | undefined
  #failure: ConnectionClosedError | undefined
  #resolveClosed!: (info: CloseInfo) => void
  #ownOpen = 0
  /** A sign of life that is waited for. */
  #ping: { readonly answered: Promise<boolean>; readonly answer: (alive: boolean) => void } | undefined

  constructor(identity: ConnectionIdentity, driver: Driver, ways: Ways, log: Logger) {
    this.id = identity.id
    this.peer = identity.peer
    this.direction = identity.direction
    this.transport = identity.transport
    this.protocol = identity.protocol
    this.openedAt = identity.openedAt
    this.native = driver.native
    this.#driver = driver
    this.#ways = ways
    this.#log = log
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
    if (this.failure !== undefined) throw this.failure
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

  close(code: number = CloseCode.OK, reason = ''): void {
    this.#driver.close(code, reason)
  }

  stats(): ConnectionStats {
    const { sentBytes, recvBytes, lost } = this.native.stats()
    return {
      rttMs: this.#ways.rttMs,
      sentBytes,
      receivedBytes: recvBytes,
      lostPackets: lost,
      pathsLeft: this.#ways.left,
      streams: this.#streams.size,
      ownStreams: this.#ownOpen,
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

  schedule(): void {
    this.#driver.schedule()
  }

  flush(): void {
    this.#driver.flush()
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
    if (this.#stops.run(this.#driver.heard)) this.schedule()
    this.#read()
    if (this.#opens.size > 0) this.#opens.serve(() => this.#openNow())
    this.#finish()
  }

  /** Hands quiche what waits to be sent. */
  send(): void {
    if (this.#senders.share()) this.schedule()
    this.#finish()
  }

  /** The driver says that it is over. */
  ended(info: CloseInfo): void {
    this.#closeInfo = info
    this.#answerPing(false)
    if (this.#opens.size > 0) this.#opens.fail(new ConnectionClosedError(info))
    this.#ownOpen = 0
    const streams = [...this.#streams.values()]
    this.#streams.clear()
    this.#readers.clear()
    this.#senders.clear()
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

  #offer(stream: QuicStream): void {
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
