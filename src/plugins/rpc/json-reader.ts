import { RpcCode } from '../../kernel/index.js'
import type { ByteBudget } from './byte-budget.js'
import { FrameType, type Frame } from './frames.js'
import type { MessageReader } from './message-reader.js'
import { WireError } from './wire-error.js'

const EMPTY = new Uint8Array(0)
const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPENING_BRACE = 0x7b

/**
 * Takes JSON objects that follow each other, with nothing or white space between them, and bytes behind them if
 * `passBytes` is called. It looks for brackets and quotes only; whether an object is JSON is for its reader to find out.
 * What it holds is bounded, and so is its depth. The end of the stream is given out as a last frame without a payload.
 */
export class JsonReader implements MessageReader {
  #chunk: Uint8Array = EMPTY
  #at = 0
  #depth = 0
  #inText = false
  #escaped = false
  #pieces: Uint8Array[] = []
  #gathered = 0
  /** What the gathered pieces count for. */
  #cost = 0
  #asBytes = false
  #noMore = false
  #ended = false

  /**
   * @param maxBytes longest object that is taken
   * @param maxDepth deepest nesting of brackets
   * @param budget what all that is gathered must fit into
   */
  constructor(
    private readonly maxBytes: number,
    private readonly maxDepth: number,
    private readonly budget: ByteBudget
  ) {}

  get ended(): boolean {
    return this.#ended
  }

  get rest(): Uint8Array {
    return this.#chunk.subarray(this.#at)
  }

  /** Whatever comes from now on is bytes. Only between two objects. */
  passBytes(): void {
    this.#asBytes = true
  }

  push(chunk: Uint8Array): void {
    this.#chunk = chunk
    this.#at = 0
  }

  end(): void {
    if (this.#ended) throw new WireError('nothing follows the end')
    if (this.#depth > 0) throw new WireError('the stream ended within a message', RpcCode.PARSE_ERROR)
    this.#noMore = true
  }

  drop(): void {
    this.#chunk = EMPTY
    this.#at = 0
    this.#release()
  }

  next(): Frame | undefined {
    if (this.#ended) return undefined
    if (!this.#asBytes && this.#depth === 0) this.#skipBlanks()
    if (this.#at < this.#chunk.length) {
      return this.#asBytes ? { type: FrameType.DATA, last: false, payload: this.#takeRest() } : this.#object()
    }
    if (!this.#noMore) return undefined
    this.#ended = true
    return { type: this.#asBytes ? FrameType.DATA : FrameType.ITEM, last: true, payload: EMPTY }
  }

  #object(): Frame | undefined {
    if (this.#depth === 0 && this.#chunk[this.#at] !== OPENING_BRACE) {
      throw new WireError('expected a JSON object', RpcCode.PARSE_ERROR)
    }
    const from = this.#at
    const whole = this.#scan()
    const piece = this.#chunk.subarray(from, this.#at)
    if (this.#gathered + piece.length > this.maxBytes) {
      throw new WireError(`a message is longer than ${String(this.maxBytes)} bytes (maxMessageBytes)`)
    }
    if (!whole) {
      this.#cost += this.budget.take(piece.length)
      this.#gathered += piece.length
      this.#pieces.push(piece)
      return undefined
    }
    const payload = this.#pieces.length === 0 ? piece : Buffer.concat([...this.#pieces, piece])
    this.#release()
    return { type: FrameType.MESSAGE, last: false, payload }
  }

  /** Goes on behind the bracket that closes the object, or to the end of the chunk. Tells whether the object is whole. */
  #scan(): boolean {
    const chunk = this.#chunk
    for (let at = this.#at; at < chunk.length; at++) {
      const byte = chunk[at] as number
      if (this.#inText) {
        if (this.#escaped) this.#escaped = false
        else if (byte === BACKSLASH) this.#escaped = true
        else if (byte === QUOTE) this.#inText = false
      } else if (byte === QUOTE) {
        this.#inText = true
      } else if (byte === 0x5b || byte === OPENING_BRACE) {
        if (++this.#depth > this.maxDepth) {
          throw new WireError(`JSON nested deeper than ${String(this.maxDepth)} (maxJsonDepth)`, RpcCode.PARSE_ERROR)
        }
      } else if ((byte === 0x5d || byte === 0x7d) && --this.#depth === 0) {
        this.#at = at + 1
        return true
      }
    }
    this.#at = chunk.length
    return false
  }

  #skipBlanks(): void {
    for (; this.#at < this.#chunk.length; this.#at++) {
      const byte = this.#chunk[this.#at]
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return
    }
  }

  #takeRest(): Uint8Array {
    const { rest } = this
    this.#at = this.#chunk.length
    return rest
  }

  #release(): void {
    this.#gathered = 0
    if (this.#cost === 0) return
    this.#pieces = []
    this.budget.give(this.#cost)
    this.#cost = 0
  }
}
