import {
  checkUrgency,
  CloseCode,
  DEFAULT_URGENCY,
  PeerloomError,
  STREAM_HIGH_WATER_BYTES,
  STREAM_OVERFLOW_BYTES,
  StreamResetError,
  type Connection,
  type Stream
} from '../../kernel/index.js'
import { READ_SIDE, wireCode, WRITE_SIDE, type NativeConnection } from './quiche.js'
import { readMemory } from './read-memory.js'

/** Chunks up to this size are joined before they are handed to quiche, up to that many bytes. */
const SMALL_CHUNK_BYTES = 2 * 1024
const JOINED_BYTES = 16 * 1024
/** What the memory of a chunk is, beside its bytes. */
const CHUNK_OVERHEAD_BYTES = 128

const nothing = new Uint8Array(0)
/** quiche sends what is more urgent first; 127 is usual. */
const HIGHEST_URGENCY = 0

/** What a stream uses of its connection. */
export interface StreamOwner {
  readonly connection: Connection
  readonly native: NativeConnection
  /** Why the streams are over, once they are. */
  readonly failure: PeerloomError | undefined
  /** Whether data that arrived before the end may still be read. */
  readonly readable: boolean
  /** Grows with each datagram that arrives. */
  readonly arrivals: number
  /** The stream waits for something to read. */
  awaitData(stream: QuicStream): void
  /** The stream has something to send. */
  awaitSending(stream: QuicStream): void
  /** Takes that back. Returns whether it was so. */
  withdraw(stream: QuicStream): boolean
  /** Asks for a turn. */
  schedule(): void
  /** Sends what quiche has to send, without waiting for the turn. */
  flush(): void
  /** A side of the stream was reset, by whichever end: what was unread of it may be lost to the connection's window. */
  wasReset(): void
  /** Reading was given up: the stream is to be released when the peer has ended it. */
  awaitRelease(stream: QuicStream): void
  /** Both sides of the stream are over. */
  settled(stream: QuicStream): void
  /** Runs a user's callback; what it throws is logged. */
  guard(callback: (() => void) | undefined): void
  /** The native library threw something that it should not have. */
  broken(error: unknown): PeerloomError
}

export class QuicStream implements Stream {
  onReadable: (() => void) | undefined
  onWritable: (() => void) | undefined
  onClosed: (() => void) | undefined
  #closed = false
  #urgency = DEFAULT_URGENCY

  /** How reading is over: at the end of input (`null`) or with an error. */
  #readEnd: PeerloomError | null | undefined
  /** The reader is to be told of news. */
  #wantsData = true
  /** The connection's arrivals when all that had come was read, and when it was looked whether the peer has stopped us. */
  #readUpTo = -1
  #stopsUpTo = -1

  /** How writing is over: all is in quiche's hands (`null`) or with an error. */
  #writeEnd: PeerloomError | null | undefined
  readonly #chunks: Uint8Array[] = []
  #buffered = 0
  /** `end` was called. */
  #ending = false
  /** `write` returned false, or writing has failed: the writer is to be told of news. */
  #wantsRoom = false

  constructor(
    readonly id: number,
    private readonly owner: StreamOwner
  ) {}

  get connection(): Connection {
    return this.owner.connection
  }

  get closed(): boolean {
    return this.#closed
  }

  get urgency(): number {
    return this.#urgency
  }

  set urgency(urgency: number) {
    checkUrgency(urgency)
    // Where it waits is told by its urgency.
    const waits = this.owner.withdraw(this)
    this.#urgency = urgency
    if (waits) this.owner.awaitSending(this)
  }

  read(): Uint8Array | null | undefined {
    if (this.#readEnd === null) return null
    if (this.#readEnd !== undefined) throw this.#readEnd
    const { owner } = this
    if (owner.failure !== undefined && !owner.readable) throw owner.failure
    if (this.#readUpTo === owner.arrivals && owner.failure === undefined) {
      this.#await()
      return undefined
    }
    // quiche forgets a stopped stream once its end is read, and with it the code of the stop.
    this.lookForStop()
    const { room } = readMemory
    let received: [number, boolean] | null
    try {
      received = owner.native.streamRecv(this.id, room)
    } catch (error) {
      this.#readEnd = this.#errorOf(error)
      this.owner.wasReset()
      // quiche keeps a reset stream, and its place within the limit, for as long as its reset can still be read.
      this.#shutdown(READ_SIDE, CloseCode.OK)
      throw this.#readEnd
    }
    if (received === null || (received[0] === 0 && !received[1])) {
      if (owner.failure !== undefined) throw owner.failure
      this.#await()
      return undefined
    }
    // The window that has become free is to be announced.
    owner.schedule()
    const [length, end] = received
    if (end) {
      this.#readEnd = null
      this.#checkOver()
    }
    if (length === 0) return null
    if (length < room.length && !end) this.#readUpTo = owner.arrivals
    return readMemory.take(length)
  }

  #await(): void {
    this.#wantsData = true
    this.owner.awaitData(this)
  }

  write(chunk: Uint8Array): boolean {
    this.#checkWritable()
    this.#push(chunk)
    if (this.#buffered < STREAM_HIGH_WATER_BYTES) return true
    this.#wantsRoom = true
    return false
  }

  end(last: Uint8Array = nothing): void {
    if (this.#ending) return
    this.#checkWritable()
    this.#push(last)
    this.#ending = true
    this.owner.awaitSending(this)
  }

  reset(code: number): void {
    if (this.#writeEnd !== undefined || this.owner.failure !== undefined) return
    this.#chunks.length = 0
    this.#buffered = 0
    this.#writeEnd = new PeerloomError('ERR_STREAM_CLOSED', 'the stream was given up on this side')
    this.owner.wasReset()
    this.#goFirst()
    this.#shutdown(WRITE_SIDE, code)
  }

  stop(code: number): void {
    if (this.#readEnd !== undefined || this.owner.failure !== undefined) return
    this.lookForStop()
    this.#readEnd = null
    this.#discard()
    // In one packet with an acknowledgement of all that was sent, the peer's quiche would forget the stream and the code.
    this.owner.flush()
    this.#shutdown(READ_SIDE, code)
    this.owner.flush()
    this.owner.awaitRelease(this)
  }

  /** Reads what has arrived: what is unread when a stream is shut down, quiche counts against the connection's window for ever. */
  #discard(): void {
    try {
      for (let more = true; more;) {
        const received = this.owner.native.streamRecv(this.id, readMemory.room)
        more = received !== null && received[0] > 0 && !received[1]
      }
    } catch {
      // It was reset, and there is nothing to read.
    }
  }

  release(): boolean {
    if (!this.owner.native.streamFinished(this.id)) return false
    // What was said last, once more: its acknowledgement makes quiche look at the stream again. Where our own end is still
    // to come, that will do.
    if (this.#writeEnd === undefined) return true
    const { native } = this.owner
    try {
      native.streamSend(this.id, nothing, this.#writeEnd === null)
    } catch {
      // The peer has stopped our side as well.
      native.streamShutdown(this.id, WRITE_SIDE, CloseCode.CANCELLED)
    }
    this.owner.schedule()
    return true
  }

  /** Whether the reader waits for news. */
  get wantsData(): boolean {
    return this.#wantsData && this.#readEnd === undefined
  }

  /** There is something to read: data, the end, or a reset. */
  dataArrived(): void {
    this.#wantsData = false
    this.owner.guard(this.onReadable)
  }

  /** Hands about `limit` bytes to quiche. Returns how many it took; an end, or finding out that writing has failed, counts as one. */
  send(limit: number): number {
    let left = limit
    while (left > 0 && !this.drained) {
      const chunk = this.#next()
      const piece = chunk.length > left ? chunk.subarray(0, left) : chunk
      // The end goes with the last bytes: alone, it may be lost for ever (cloudflare/quiche#2525).
      const end = this.#ending && this.#chunks.length <= 1 && piece.length === chunk.length
      let sent: number | null
      try {
        sent = this.owner.native.streamSend(this.id, piece, end)
      } catch (error) {
        this.#failWriting(this.#errorOf(error))
        return 1
      }
      if (sent === null || (sent === 0 && piece.length > 0)) break
      left -= Math.max(sent, 1)
      this.#buffered -= sent
      if (sent < chunk.length) this.#chunks[0] = chunk.subarray(sent)
      else this.#chunks.shift()
      if (end && sent === piece.length) {
        this.#writeEnd = null
        this.#checkOver()
      } else if (sent < piece.length) break
    }
    return limit - left
  }

  /** Finds out whether the peer has stopped our side: sending to a stream that quiche has forgotten only says "later". */
  lookForStop(): void {
    const { owner } = this
    if (this.#writeEnd !== undefined || this.#stopsUpTo === owner.arrivals) return
    this.#stopsUpTo = owner.arrivals
    try {
      owner.native.streamCapacity(this.id)
    } catch (error) {
      this.#failWriting(this.#errorOf(error))
    }
  }

  /** Nothing is left to be handed to quiche. */
  get drained(): boolean {
    return this.#writeEnd !== undefined || (this.#chunks.length === 0 && !this.#ending)
  }

  /** One side is over, or will be when all is sent. */
  get halfOver(): boolean {
    return this.#ending || this.#writeEnd !== undefined || this.#readEnd !== undefined
  }

  /** Tells a writer that waits for room, if there is some, and any writer that writing has failed. */
  offerRoom(): void {
    if (!this.#wantsRoom || this.#buffered >= STREAM_HIGH_WATER_BYTES) return
    this.#wantsRoom = false
    this.owner.guard(this.onWritable)
  }

  /** The connection has ended, and the stream with it. */
  fail(): void {
    if (this.#closed) return
    this.#chunks.length = 0
    this.#buffered = 0
    if (this.#writeEnd === undefined) {
      this.#writeEnd = this.owner.failure
      this.#wantsRoom = true
    }
    if (this.wantsData) this.dataArrived()
    this.offerRoom()
    this.finish()
  }

  /** Both sides are over and the owner has let go of the stream. */
  finish(): void {
    if (this.#closed) return
    this.#closed = true
    this.owner.guard(this.onClosed)
  }

  #checkWritable(): void {
    const { failure } = this.owner
    if (failure !== undefined) throw failure
    if (this.#ending || this.#writeEnd === null) {
      throw new PeerloomError('ERR_STREAM_CLOSED', 'the stream has been ended on this side')
    }
    if (this.#writeEnd !== undefined) throw this.#writeEnd
  }

  #push(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    if (this.#buffered + chunk.length + this.#chunks.length * CHUNK_OVERHEAD_BYTES > STREAM_OVERFLOW_BYTES) {
      throw new PeerloomError(
        'ERR_STREAM_OVERFLOW',
        `more than ${String(STREAM_OVERFLOW_BYTES)} bytes wait to be sent on the stream; wait for onWritable when write returns false`
      )
    }
    this.#chunks.push(chunk)
    this.#buffered += chunk.length
    this.owner.awaitSending(this)
  }

  /** The chunk to send next; small ones are joined, since each call of the library has its price. */
  #next(): Uint8Array {
    const first = this.#chunks[0]
    if (first === undefined) return nothing
    const second = this.#chunks[1]
    if (second === undefined || first.length + second.length > SMALL_CHUNK_BYTES) return first
    let bytes = 0
    const count = this.#chunks.findIndex((chunk) => (bytes += chunk.length) > JOINED_BYTES)
    const joined = Buffer.concat(this.#chunks.splice(0, count < 0 ? this.#chunks.length : Math.max(count, 1)))
    this.#chunks.unshift(joined)
    return joined
  }

  /**
   * What quiche has not sent yet of a stream that is reset, it still ends, as if that were all. Ahead of everything else
   * the end travels in one packet with the reset, which is then what counts; before it, it would be taken for the truth.
   */
  #goFirst(): void {
    try {
      this.owner.native.streamPriority(this.id, HIGHEST_URGENCY, true)
    } catch {
      // The stream is over in quiche already.
    }
  }

  #shutdown(side: typeof READ_SIDE | typeof WRITE_SIDE, code: number): void {
    try {
      this.owner.native.streamShutdown(this.id, side, wireCode(code))
    } catch {
      // The stream is over in quiche already.
    }
    this.owner.schedule()
    this.#checkOver()
  }

  #failWriting(error: PeerloomError): void {
    this.#chunks.length = 0
    this.#buffered = 0
    this.#writeEnd = error
    this.#wantsRoom = true
    this.owner.awaitSending(this)
    this.#checkOver()
  }

  #checkOver(): void {
    if (this.#readEnd !== undefined && this.#writeEnd !== undefined) this.owner.settled(this)
  }

  /** The binding says what a peer did with a stream in the text of its errors, and nowhere else. */
  #errorOf(error: unknown): PeerloomError {
    const { failure } = this.owner
    const message = error instanceof Error ? error.message : ''
    const [, code] = /^Stream(?:Reset|Stopped)\((\d+)\)$/.exec(message) ?? []
    if (code !== undefined) return new StreamResetError(Number(code))
    // Stopped, answered and forgotten before anyone asked.
    if (message.startsWith('InvalidStreamState')) return new StreamResetError(CloseCode.CANCELLED)
    return failure ?? this.owner.broken(error)
  }
}
