import {
  abortReason,
  PeerloomError,
  type ConnectionClosedError,
  type ConnectionStats,
  type Stream
} from '../../kernel/index.js'
import type { Frame } from './codec.js'
import { MemoryStream, type StreamHost } from './stream.js'

/** Calls of `open` that may wait for the peer to allow more streams. */
export const MAX_WAITING_OPENS = 4_096

interface WaitingOpen {
  readonly resolve: (stream: Stream) => void
  readonly reject: (error: PeerloomError) => void
}

export interface StreamTableOptions {
  /** Whether this side dialled; it numbers its streams 0, 4, 8, …, the other side 1, 5, 9, … (RFC 9000 §2.1). */
  readonly dialler: boolean
  /** Streams that the peer may have open at once. */
  readonly maxStreams: number
  /** Streams that the peer lets this side open at first. */
  readonly peerMaxStreams: number
}

/** The streams of one connection: their ids, how many there may be, and who waits for one. */
export class StreamTable {
  readonly #streams = new Map<number, MemoryStream>()
  /** Streams of the peer that its own numbering has passed over, and that it may still use (RFC 9000 §3.2). */
  readonly #unseen = new Set<number>()
  readonly #arrivals: MemoryStream[] = []
  readonly #opens = new Set<WaitingOpen>()
  readonly #ours: number
  #opened = 0
  #ownOpen = 0
  #mayOpen: number
  #peerOpened = 0
  #peerMayOpen: number
  /** What the peer has been told of that. */
  #announced: number
  #onStream: ((stream: Stream) => void) | undefined
  /** The code with which further streams are given up. */
  #refusal: number | undefined

  constructor(
    private readonly host: StreamHost,
    private readonly options: StreamTableOptions
  ) {
    this.#ours = options.dialler ? 0 : 1
    this.#mayOpen = options.peerMaxStreams
    this.#peerMayOpen = this.#announced = options.maxStreams
  }

  /** How many there are and were, as `ConnectionStats` counts them. */
  get counts(): Pick<ConnectionStats, 'streams' | 'ownStreams' | 'openedStreams' | 'acceptedStreams'> {
    return {
      streams: this.#streams.size,
      ownStreams: this.#ownOpen,
      openedStreams: this.#opened,
      acceptedStreams: this.#peerOpened - this.#unseen.size
    }
  }

  get onStream(): ((stream: Stream) => void) | undefined {
    return this.#onStream
  }

  set onStream(handler) {
    this.#onStream = handler
    queueMicrotask(() => {
      this.#handOver()
    })
  }

  tryOpen(): Stream | undefined {
    if (this.#opened >= this.#mayOpen) return undefined
    const stream = new MemoryStream(this.#opened++ * 4 + this.#ours, this.host)
    this.#streams.set(stream.id, stream)
    this.#ownOpen++
    return stream
  }

  /** A stream as soon as the peer allows one. */
  wait(signal: AbortSignal | undefined): Promise<Stream> {
    return new Promise((resolve, reject) => {
      if (this.#opens.size >= MAX_WAITING_OPENS) {
        reject(new PeerloomError('ERR_LIMIT', `${MAX_WAITING_OPENS} streams are waited for already`))
        return
      }
      const onAbort = (): void => {
        this.#opens.delete(entry)
        reject(abortReason(signal as AbortSignal))
      }
      const settled = (): void => signal?.removeEventListener('abort', onAbort)
      const entry: WaitingOpen = {
        resolve: (stream) => {
          settled()
          resolve(stream)
        },
        reject: (error) => {
          settled()
          reject(error)
        }
      }
      this.#opens.add(entry)
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  /** The peer lets this side open `limit` streams in all. */
  allow(limit: number): void {
    this.#mayOpen = Math.max(this.#mayOpen, limit)
    for (const waiting of this.#opens) {
      const stream = this.tryOpen()
      if (stream === undefined) return
      this.#opens.delete(waiting)
      waiting.resolve(stream)
    }
  }

  /** Takes a frame for one stream. False if the peer may not send it. */
  receive(frame: Extract<Frame, { stream: number }>): boolean {
    const stream = this.#streams.get(frame.stream) ?? this.#accept(frame.stream)
    if (stream === false) return false
    const allowed = stream === undefined || deliver(stream, frame)
    // Only now: a stream that is new has its first bytes when its taker sees it.
    if (allowed) this.#handOver()
    return allowed
  }

  /** A stream is over; if it was the peer's, the peer may open another. */
  retire(stream: MemoryStream): void {
    this.#streams.delete(stream.id)
    if (stream.id % 4 === this.#ours) {
      this.#ownOpen--
      return
    }
    this.#peerMayOpen++
    this.#announce()
  }

  /** Tells the peer how many streams it may open, unless what it knows of leaves it half of them still. */
  #announce(): void {
    if (this.#announced === this.#peerMayOpen) return
    if (this.#announced - this.#peerOpened >= this.options.maxStreams / 2) return
    this.#announced = this.#peerMayOpen
    this.host.sendFrame({ type: 'streams', limit: this.#announced })
  }

  get isBusy(): boolean {
    for (const stream of this.#streams.values()) if (stream.isBusy) return true
    return false
  }

  /** There are no further streams. Those that the peer opens, and those that nobody has taken, are given up. */
  refuse(error: ConnectionClosedError): void {
    this.#refusal = error.info.code
    this.#failOpens(error)
    this.#handOver()
  }

  /** Ends everything. */
  fail(error: ConnectionClosedError): void {
    this.#arrivals.length = 0
    this.#failOpens(error)
    for (const stream of [...this.#streams.values()]) stream.fail(error)
    this.#streams.clear()
    this.#ownOpen = 0
  }

  #failOpens(error: ConnectionClosedError): void {
    for (const { reject } of this.#opens) reject(error)
    this.#opens.clear()
  }

  /** A stream of the peer's that is new; `undefined` if it is over; false if there may be none of that id. */
  #accept(id: number): MemoryStream | undefined | false {
    const [sequence, kind] = [Math.floor(id / 4), id % 4]
    if (kind === this.#ours) return sequence < this.#opened ? undefined : false
    if (kind !== 1 - this.#ours || sequence >= this.#peerMayOpen) return false
    if (sequence < this.#peerOpened && !this.#unseen.delete(id)) return undefined
    for (; this.#peerOpened <= sequence; this.#peerOpened++) {
      if (this.#peerOpened < sequence) this.#unseen.add(this.#peerOpened * 4 + kind)
    }
    this.#announce()
    const stream = new MemoryStream(id, this.host)
    this.#streams.set(id, stream)
    this.#arrivals.push(stream)
    return stream
  }

  #handOver(): void {
    const code = this.#refusal
    if (code !== undefined) {
      for (const stream of this.#arrivals.splice(0)) {
        stream.reset(code)
        stream.stop(code)
      }
    }
    for (let handler = this.#onStream; handler !== undefined; handler = this.#onStream) {
      const stream = this.#arrivals.shift()
      if (stream === undefined) return
      const take = handler
      this.host.call(() => {
        take(stream)
      })
    }
  }
}

function deliver(stream: MemoryStream, frame: Extract<Frame, { stream: number }>): boolean {
  switch (frame.type) {
    case 'stream':
      return stream.receive(frame.data, frame.end)
    case 'reset':
      stream.receiveReset(frame.code)
      return true
    case 'stop':
      stream.receiveStop(frame.code)
      return true
    case 'credit':
      stream.receiveCredit(frame.limit)
      return true
  }
}
