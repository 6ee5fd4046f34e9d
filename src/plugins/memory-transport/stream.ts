import {
  checkUrgency,
  CloseCode,
  DEFAULT_URGENCY,
  PeerloomError,
  type ConnectionClosedError,
  STREAM_HIGH_WATER_BYTES,
  STREAM_OVERFLOW_BYTES,
  StreamResetError,
  type Connection,
  type Stream
} from '../../kernel/index.js'
import type { Frame } from './codec.js'

/** Bytes that a peer may send on a stream before they are read. */
export const STREAM_WINDOW_BYTES = 256 * 1024

/** What a stream needs of its connection. */
export interface StreamHost {
  readonly connection: Connection
  /** The stream has something to send. */
  wantsToSend(stream: MemoryStream): void
  /** Takes that back. Returns whether it was so. */
  withdraw(stream: MemoryStream): boolean
  /** Sends a frame as soon as possible, before any data. */
  sendFrame(frame: Frame): void
  /** Both sides are over. */
  retire(stream: MemoryStream): void
  /** Runs a callback of the user's, which must not harm the connection. */
  call(callback: (() => void) | undefined): void
}

/** One stream: its two buffers, their flow control, and who is waiting for them. */
export class MemoryStream implements Stream {
  onReadable: (() => void) | undefined
  onWritable: (() => void) | undefined
  onClosed: (() => void) | undefined

  readonly #input: Uint8Array[] = []
  #receivedBytes = 0
  #readBytes = 0
  #allowedBytes = STREAM_WINDOW_BYTES
  #inputOver = false
  #readFailure: PeerloomError | undefined
  #readerWaits = false

  readonly #output: Uint8Array[] = []
  #bufferedBytes = 0
  #sentBytes = 0
  #peerAllowsBytes = STREAM_WINDOW_BYTES
  #ending = false
  #outputOver = false
  #writeFailure: PeerloomError | undefined
  #writerWaits = false
  #closed = false
  #urgency = DEFAULT_URGENCY

  constructor(
    readonly id: number,
    private readonly host: StreamHost
  ) {}

  get connection(): Connection {
    return this.host.connection
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
    const waits = this.host.withdraw(this)
    this.#urgency = urgency
    if (waits) this.host.wantsToSend(this)
  }

  read(): Uint8Array | null | undefined {
    const chunk = this.#input.shift()
    if (chunk !== undefined) {
      this.#readBytes += chunk.length
      this.#grantCredit()
      return chunk
    }
    if (this.#readFailure !== undefined) throw this.#readFailure
    if (this.#inputOver) return null
    this.#readerWaits = true
    return undefined
  }

  write(chunk: Uint8Array): boolean {
    this.#checkWritable()
    if (this.#bufferedBytes + chunk.length > STREAM_OVERFLOW_BYTES) {
      throw new PeerloomError('ERR_STREAM_OVERFLOW', 'the peer takes no more; wait for onWritable after false')
    }
    if (chunk.length > 0) {
      this.#output.push(chunk)
      this.#bufferedBytes += chunk.length
      this.host.wantsToSend(this)
    }
    this.#writerWaits = this.#bufferedBytes >= STREAM_HIGH_WATER_BYTES
    return !this.#writerWaits
  }

  end(last?: Uint8Array): void {
    if (this.#ending) return
    if (last === undefined) this.#checkWritable()
    else this.write(last)
    this.#ending = true
    this.host.wantsToSend(this)
  }

  reset(code: number): void {
    if (this.#outputOver) return
    this.host.sendFrame({ type: 'reset', stream: this.id, code: wireCode(code) })
    this.#failWriting(new PeerloomError('ERR_STREAM_CLOSED', 'the stream was reset by this side'))
    this.#closeIfOver()
  }

  stop(code: number): void {
    if (this.#inputOver) {
      this.#input.length = 0
      return
    }
    this.host.sendFrame({ type: 'stop', stream: this.id, code: wireCode(code) })
    this.#input.length = 0
    this.#endReading()
    this.#closeIfOver()
  }

  /** Takes bytes that arrived. False if the peer sent more than it may. */
  receive(data: Uint8Array, end: boolean): boolean {
    if (this.#inputOver) return true
    this.#receivedBytes += data.length
    if (this.#receivedBytes > this.#allowedBytes) return false
    if (data.length > 0) this.#input.push(data)
    if (end) this.#endReading()
    else if (data.length > 0) this.#wakeReader()
    this.#closeIfOver()
    return true
  }

  /** The peer gave its side up. */
  receiveReset(code: number): void {
    if (this.#inputOver) return
    this.#failReading(new StreamResetError(code))
    this.#closeIfOver()
  }

  /** The peer reads no more. Answered by a reset, as in RFC 9000 §3.5, so that its reader comes to an end. */
  receiveStop(code: number): void {
    if (this.#outputOver) return
    this.host.sendFrame({ type: 'reset', stream: this.id, code })
    this.#failWriting(new StreamResetError(code))
    this.#closeIfOver()
  }

  /** The peer takes this stream's bytes up to `limit`. */
  receiveCredit(limit: number): void {
    if (limit <= this.#peerAllowsBytes) return
    this.#peerAllowsBytes = limit
    if (this.hasOutput()) this.host.wantsToSend(this)
  }

  /** Something is not sent yet, or one side is over and the other is not. */
  get isBusy(): boolean {
    return this.#bufferedBytes > 0 || this.#ending || this.#outputOver || this.#inputOver
  }

  hasOutput(): boolean {
    if (this.#outputOver) return false
    return this.#bufferedBytes === 0 ? this.#ending : this.#peerAllowsBytes > this.#sentBytes
  }

  /** Takes at most `room` bytes out of the buffer, to be sent now, the end with the last of them. */
  take(room: number): { data: Uint8Array; end: boolean } {
    const parts: Uint8Array[] = []
    let left = Math.min(room, this.#peerAllowsBytes - this.#sentBytes)
    for (let head = this.#output[0]; head !== undefined && left > 0; head = this.#output[0]) {
      parts.push(head.subarray(0, left))
      if (head.length > left) this.#output[0] = head.subarray(left)
      else this.#output.shift()
      left -= Math.min(head.length, left)
    }
    const data = parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts)
    this.#bufferedBytes -= data.length
    this.#sentBytes += data.length
    const end = this.#ending && this.#bufferedBytes === 0
    if (end) this.#outputOver = true
    return { data, end }
  }

  /** Called after {@link take}, when the packet is on its way. */
  taken(): void {
    if (this.#writerWaits && this.#bufferedBytes < STREAM_HIGH_WATER_BYTES) this.#wakeWriter()
    this.#closeIfOver()
  }

  /** The connection has ended. What arrived complete can still be read. */
  fail(error: ConnectionClosedError): void {
    // What the peer said before it closed the connection can still be read.
    if (!this.#inputOver) this.#failReading(error, error.info.by === 'peer')
    if (!this.#outputOver) this.#failWriting(error)
    this.#closeIfOver()
  }

  #checkWritable(): void {
    if (this.#writeFailure !== undefined) throw this.#writeFailure
    if (this.#ending) throw new PeerloomError('ERR_STREAM_CLOSED', 'this side of the stream has ended')
  }

  #grantCredit(): void {
    if (this.#inputOver || this.#allowedBytes - this.#readBytes > STREAM_WINDOW_BYTES / 2) return
    this.#allowedBytes = this.#readBytes + STREAM_WINDOW_BYTES
    this.host.sendFrame({ type: 'credit', stream: this.id, limit: this.#allowedBytes })
  }

  #endReading(): void {
    this.#inputOver = true
    this.#wakeReader()
  }

  #failReading(error: PeerloomError, keepInput = false): void {
    this.#readFailure = error
    if (!keepInput) this.#input.length = 0
    this.#endReading()
  }

  #failWriting(error: PeerloomError): void {
    this.#writeFailure = error
    this.#outputOver = true
    this.#output.length = 0
    this.#bufferedBytes = 0
    this.#wakeWriter()
  }

  #wakeReader(): void {
    if (!this.#readerWaits) return
    this.#readerWaits = false
    this.host.call(this.onReadable)
  }

  #wakeWriter(): void {
    this.#writerWaits = false
    this.host.call(this.onWritable)
  }

  #closeIfOver(): void {
    if (this.#closed || !this.#inputOver || !this.#outputOver) return
    this.#closed = true
    this.host.retire(this)
    this.host.call(this.onClosed)
  }
}

/** A code as it can be sent: whatever is no whole number is a fault of ours. */
export function wireCode(code: number): number {
  return Number.isSafeInteger(code) && code >= 0 ? code : CloseCode.INTERNAL
}
