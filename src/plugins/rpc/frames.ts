import type { ByteBudget } from './byte-budget.js'
import type { MessageReader } from './message-reader.js'
import { WireError } from './wire-error.js'

/** What a frame carries: the low four bits of its head. */
export const FrameType = {
  /** A JSON-RPC 2.0 object: the request, or the response that ends the other direction. */
  MESSAGE: 1,
  /** One JSON value of a stream of messages. */
  ITEM: 2,
  /** Bytes of a raw call. */
  DATA: 3,
  /** A message or item whose value is bytes. */
  BINARY: 4,
  /** What follows are the frames of a lane (lane-frames.ts). */
  LANE: 5,
  /** Which call on a lane is answered on this stream. */
  ANSWER: 6
} as const

/** The bit of the head that ends its direction; see docs/protocol.md for why FIN alone does not. */
export const LAST = 0x80
/** A length (u32, big endian) and a head. */
export const FRAME_HEADER_BYTES = 5

export interface Frame {
  readonly type: number
  readonly last: boolean
  /** A whole payload; of a DATA frame as much as has arrived, and then only its last piece can be `last`. */
  readonly payload: Uint8Array
}

/** Longest payload of the DATA frames that are sent; between two of them a call can still be told to have failed. */
export const MAX_DATA_BYTES = 64 * 1024

const EMPTY = new Uint8Array(0)

/** A frame around a text. */
export function textFrame(type: number, text: string, last: boolean): Uint8Array {
  const length = Buffer.byteLength(text)
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + length)
  writeHeader(frame, type, length, last)
  frame.write(text, FRAME_HEADER_BYTES)
  return frame
}

/** The header of a frame whose payload is sent after it. */
export function frameHeader(type: number, length: number, last: boolean): Uint8Array {
  const header = Buffer.allocUnsafe(FRAME_HEADER_BYTES)
  writeHeader(header, type, length, last)
  return header
}

/** Begins either direction of a lane. */
export const beginLane = frameHeader(FrameType.LANE, 0, false)
/** Ends a stream of messages without another one. */
export const lastItem = frameHeader(FrameType.ITEM, 0, true)
/** Ends the bytes of a raw call without another one. */
export const lastData = frameHeader(FrameType.DATA, 0, true)

function writeHeader(target: Buffer, type: number, length: number, last: boolean): void {
  target.writeUInt32BE(length, 0)
  target[4] = last ? type | LAST : type
}

/**
 * Takes frames out of one direction of a stream, however it was cut into chunks. It holds one unfinished frame at
 * most, of a length that was checked first; bytes of DATA frames pass without being gathered. Nothing after the frame
 * marked LAST is looked at.
 */
export class FrameReader implements MessageReader {
  #chunk: Uint8Array = EMPTY
  #at = 0
  readonly #header = new Uint8Array(FRAME_HEADER_BYTES)
  #headerBytes = 0
  #type = 0
  #last = false
  /** Bytes of the present payload that have not come yet. */
  #missing = 0
  #inPayload = false
  #pieces: Uint8Array[] = []
  #ended = false

  /** What the gathered pieces count for. */
  #cost = 0

  /**
   * @param maxBytes longest payload that is taken, but for DATA, which is never gathered
   * @param budget what all that is gathered must fit into
   */
  constructor(
    private readonly maxBytes: number,
    private readonly budget: ByteBudget
  ) {}

  get ended(): boolean {
    return this.#ended
  }

  get rest(): Uint8Array {
    return this.#chunk.subarray(this.#at)
  }

  push(chunk: Uint8Array): void {
    this.#chunk = chunk
    this.#at = 0
  }

  end(): void {
    throw new WireError('the stream ended before its last frame')
  }

  drop(): void {
    this.#chunk = EMPTY
    this.#at = 0
    this.#release()
  }

  next(): Frame | undefined {
    if (this.#ended || (!this.#inPayload && !this.#readHeader())) return undefined
    const available = this.#chunk.length - this.#at
    if (available < this.#missing) {
      if (available === 0) return undefined
      const piece = this.#take(available)
      if (this.#type === FrameType.DATA) return { type: this.#type, last: false, payload: piece }
      this.#cost += this.budget.take(piece.length)
      this.#pieces.push(piece)
      return undefined
    }
    const piece = this.#take(this.#missing)
    this.#inPayload = false
    this.#headerBytes = 0
    this.#ended = this.#last
    const payload = this.#pieces.length === 0 ? piece : Buffer.concat([...this.#pieces, piece])
    this.#release()
    return { type: this.#type, last: this.#last, payload }
  }

  #release(): void {
    if (this.#cost === 0) return
    this.#pieces = []
    this.budget.give(this.#cost)
    this.#cost = 0
  }

  #take(length: number): Uint8Array {
    const from = this.#at
    this.#at += length
    this.#missing -= length
    return this.#chunk.subarray(from, this.#at)
  }

  #readHeader(): boolean {
    while (this.#headerBytes < FRAME_HEADER_BYTES) {
      const byte = this.#chunk[this.#at]
      if (byte === undefined) return false
      this.#header[this.#headerBytes++] = byte
      this.#at++
    }
    const [a = 0, b = 0, c = 0, d = 0, head = 0] = this.#header
    this.#missing = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0
    this.#type = head & 0x0f
    this.#last = (head & LAST) !== 0
    this.#inPayload = true
    if ((head & 0x70) !== 0 || this.#type < FrameType.MESSAGE || this.#type > FrameType.ANSWER) {
      throw new WireError(`not a frame: its head is 0x${head.toString(16)}`)
    }
    if (this.#missing > this.maxBytes && this.#type !== FrameType.DATA) {
      throw new WireError(
        `a frame of ${String(this.#missing)} bytes is longer than ${String(this.maxBytes)} (maxMessageBytes)`
      )
    }
    if (this.#missing === 0 && !mayBeEmpty(this.#type, this.#last)) {
      throw new WireError('an empty frame that ends nothing')
    }
    return true
  }
}

function mayBeEmpty(type: number, last: boolean): boolean {
  if (type === FrameType.ITEM || type === FrameType.DATA) return last
  return type === FrameType.BINARY || type === FrameType.LANE
}
