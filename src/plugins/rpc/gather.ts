import { LANE_HEADER_BYTES, MAX_LANE_BYTES } from './lane-frames.js'

/** Memory is taken in pieces of this size. */
const PIECE_BYTES = 64 * 1024

/** Where gathered frames go. */
export interface LaneSink {
  /** Takes frames to send, which are not changed afterwards. Never throws. */
  take(bytes: Uint8Array): void
}

/**
 * Gathers the frames that are made in one go, such as by all callers whose answers came in one datagram, so that they
 * are handed to their stream at once. One for all lanes of a node: it holds one piece of memory.
 */
export class Gather {
  #piece: Buffer | undefined
  #from = 0
  #at = 0
  #sink: LaneSink | undefined
  #scheduled = false

  /** Whose frames are being gathered. */
  get sink(): LaneSink | undefined {
    return this.#sink
  }

  /** Bytes that are being gathered. */
  get bytes(): number {
    return this.#at - this.#from
  }

  /** Adds a frame around a text that fits a lane, and bytes behind it. */
  add(sink: LaneSink, type: number, call: number, text: string, bytes?: Uint8Array): void {
    const isFull = this.#at + LANE_HEADER_BYTES + MAX_LANE_BYTES > PIECE_BYTES
    if (this.#sink !== sink || isFull) this.flush()
    this.#sink = sink
    const piece = isFull ? this.#newPiece() : (this.#piece ?? this.#newPiece())
    const start = this.#at
    let at = start + LANE_HEADER_BYTES
    at += piece.write(text, at)
    if (bytes !== undefined) {
      piece.set(bytes, at)
      at += bytes.length
    }
    const length = at - start - LANE_HEADER_BYTES
    piece[start] = length >>> 8
    piece[start + 1] = length
    piece[start + 2] = type
    piece[start + 3] = call >>> 24
    piece[start + 4] = call >>> 16
    piece[start + 5] = call >>> 8
    piece[start + 6] = call
    this.#at = at
    if (!this.#scheduled) {
      this.#scheduled = true
      // Behind the promises that are settled already: whoever goes on by them may have more to say.
      queueMicrotask(this.#flushGathered)
    }
  }

  /** Hands over what there is, now. */
  flush(): void {
    const sink = this.#sink
    if (sink === undefined) return
    this.#sink = undefined
    const bytes = (this.#piece as Buffer).subarray(this.#from, this.#at)
    this.#from = this.#at
    sink.take(bytes)
  }

  readonly #flushGathered = (): void => {
    this.#scheduled = false
    this.flush()
  }

  #newPiece(): Buffer {
    this.#from = this.#at = 0
    return (this.#piece = Buffer.allocUnsafeSlow(PIECE_BYTES))
  }
}
