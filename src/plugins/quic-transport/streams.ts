import {
  abortReason,
  CloseCode,
  messageOf,
  PeerloomError,
  type Connection,
  type ConnectionClosedError,
  type ConnectionStats,
  type Logger,
  type Stream
} from '../../kernel/index.js'
import type { Driver } from './driver.js'
import { FairQueue } from './fair-queue.js'
import type { NativeConnection } from './quiche.js'
import { StopProbe } from './stop-probe.js'
import { StoppedStreams } from './stopped-streams.js'
import { QuicStream, type StreamOwner } from './stream.js'
import { WaitingOpens } from './waiting-opens.js'

/** Up to so many waiting readers are asked one by one before the library is asked for a list, which costs more. */
const PROBED_READERS = 32

/** Ids of bidirectional streams have these low bits (RFC 9000 §2.1), and grow in steps of four. */
const CLIENT_STREAMS = 0
const SERVER_STREAMS = 1
const STREAM_ID_STEP = 4
const STREAM_ID_BITS = 3

const nothing = new Uint8Array(0)

type StreamStats = Pick<ConnectionStats, 'streams' | 'ownStreams' | 'openedStreams' | 'acceptedStreams'>

/** The streams of one connection: opens and takes them, and has each read and sent when it is its turn. */
export class Streams implements StreamOwner {
  readonly native: NativeConnection
  failure: ConnectionClosedError | undefined
  readable = true
  readonly #streams = new Map<number, QuicStream>()
  readonly #readers = new Set<QuicStream>()
  readonly #senders = new FairQueue()
  readonly #over: QuicStream[] = []
  readonly #opens = new WaitingOpens()
  readonly #stops = new StopProbe(this.#streams)
  readonly #stopped = new StoppedStreams()
  readonly #untaken: QuicStream[] = []
  /** Ids below the highest that the peer has used, which have not shown up yet: packets overtake each other. */
  readonly #skipped = new Set<number>()
  /** Sides of streams that either end has reset so far. */
  resets = 0
  #nextOwn: number
  #nextOfPeer: number
  #ownOpen = 0
  #handler: ((stream: Stream) => void) | undefined
  /** Why there are to be no further streams. */
  #refusal: ConnectionClosedError | undefined

  constructor(
    readonly connection: Connection,
    private readonly driver: Driver,
    private readonly log: Logger
  ) {
    this.native = driver.native
    this.#nextOwn = driver.isClient ? CLIENT_STREAMS : SERVER_STREAMS
    this.#nextOfPeer = driver.isClient ? SERVER_STREAMS : CLIENT_STREAMS
  }

  wasReset(): void {
    this.resets++
  }

  get arrivals(): number {
    return this.driver.arrivals
  }

  /** Something waits to be sent, or a stream that one side has ended is not over. */
  get isBusy(): boolean {
    if (!this.#senders.isEmpty) return true
    for (const stream of this.#streams.values()) if (stream.halfOver) return true
    return false
  }

  get stats(): StreamStats {
    return {
      streams: this.#streams.size,
      ownStreams: this.#ownOpen,
      openedStreams: Math.floor(this.#nextOwn / STREAM_ID_STEP),
      acceptedStreams: Math.floor(this.#nextOfPeer / STREAM_ID_STEP) - this.#skipped.size
    }
  }

  async open(signal: AbortSignal | undefined): Promise<Stream> {
    if (signal?.aborted === true) throw abortReason(signal)
    return this.tryOpen() ?? this.#opens.wait(signal)
  }

  tryOpen(): Stream | undefined {
    const failure = this.failure ?? this.#refusal
    if (failure !== undefined) throw failure
    return this.#opens.size > 0 ? undefined : this.#openNow()
  }

  /** Takes the streams that the peer opens. */
  get handler(): ((stream: Stream) => void) | undefined {
    return this.#handler
  }

  set handler(handler: ((stream: Stream) => void) | undefined) {
    this.#handler = handler
    while (this.#handler !== undefined) {
      const stream = this.#untaken.shift()
      if (stream === undefined) return
      this.#offer(stream)
    }
  }

  /** There are to be no further streams, of either side's. */
  refuse(refusal: ConnectionClosedError): void {
    this.#refusal = refusal
    this.#opens.fail(refusal)
    for (const stream of this.#untaken.splice(0)) giveUp(stream, refusal)
  }

  awaitData(stream: QuicStream): void {
    this.#readers.add(stream)
  }

  awaitSending(stream: QuicStream): void {
    this.#senders.add(stream)
    this.driver.schedule()
  }

  withdraw(stream: QuicStream): boolean {
    return this.#senders.delete(stream)
  }

  schedule(): void {
    this.driver.schedule()
  }

  flush(): void {
    this.driver.flush()
  }

  awaitRelease(stream: QuicStream): void {
    if (this.failure === undefined) this.#stopped.add(stream)
  }

  settled(stream: QuicStream): void {
    this.#streams.delete(stream.id)
    if ((stream.id & STREAM_ID_BITS) === (this.#nextOwn & STREAM_ID_BITS)) this.#ownOpen--
    this.#readers.delete(stream)
    this.#over.push(stream)
    this.driver.schedule()
  }

  guard(callback: (() => void) | undefined): void {
    if (callback === undefined) return
    try {
      callback()
    } catch (error) {
      this.log.error('a handler of a stream or connection threw', error)
    }
  }

  broken(error: unknown): PeerloomError {
    this.driver.close(CloseCode.INTERNAL, `the QUIC library failed: ${messageOf(error)}`)
    return this.failure ?? new PeerloomError('ERR_STREAM_CLOSED', 'the stream is over', { cause: error })
  }

  /** Takes what has arrived to its readers. */
  arrived(): void {
    if (this.#stops.run(this.driver.heard)) this.driver.schedule()
    if (this.driver.heard) this.#stopped.run()
    this.#read()
    if (this.#opens.size > 0) this.#opens.serve(() => this.#openNow())
    this.#finish()
  }

  /** Hands quiche what waits to be sent. Returns whether there was anything. */
  send(): boolean {
    if (this.#senders.share()) this.driver.schedule()
    this.#finish()
    return this.#senders.served
  }

  /** The connection has ended. @param readable whether what had arrived may still be read */
  end(failure: ConnectionClosedError, readable: boolean): void {
    this.failure = failure
    this.readable = readable
    if (this.#opens.size > 0) this.#opens.fail(failure)
    this.#ownOpen = 0
    const streams = [...this.#streams.values()]
    this.#streams.clear()
    this.#readers.clear()
    this.#senders.clear()
    this.#stopped.clear()
    for (const stream of streams) stream.fail()
    this.#finish()
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

  #read(): void {
    const { native } = this
    if (!native.isReadable()) return
    // A handler may close the connection while it is given a stream.
    while (this.failure === undefined && native.streamReadable(this.#nextOfPeer)) this.#arrived(this.#nextOfPeer)
    if (this.#readers.size <= PROBED_READERS) {
      for (const stream of this.#readers) if (native.streamReadable(stream.id)) this.#tell(stream)
    }
    if (this.failure !== undefined || !native.isReadable()) return
    for (const id of [...native.readable()]) this.#arrived(id)
  }

  /** Something can be read from a stream, unless a handler has just closed the connection. */
  #arrived(id: number): void {
    if (this.failure !== undefined) return
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
    if (this.#refusal !== undefined) {
      giveUp(stream, this.#refusal)
      return
    }
    const handler = this.#handler
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

/** Ends a stream that nobody has looked at. */
function giveUp(stream: QuicStream, { info: { code } }: ConnectionClosedError): void {
  stream.reset(code)
  stream.stop(code)
}
