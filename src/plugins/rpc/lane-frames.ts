import { WireError } from './wire-error.js'

/** What a frame on a lane carries. */
export const LaneType = {
  /** A JSON-RPC 2.0 request or response. */
  MESSAGE: 1,
  /** One whose `params` or `result` are bytes (binary.ts). */
  BINARY: 2,
  /** The caller gives a call up; why is a byte, a close code of streams. */
  CANCEL: 3,
  /** Nothing follows. Calls with a greater id than this one's have not been seen. */
  END: 4
} as const

/** A length (u16), a type, and the id of a call (u32), big endian. */
export const LANE_HEADER_BYTES = 7
/** Longest payload: what is behind a frame waits for that much at most. */
export const MAX_LANE_BYTES = 4096
/** The last id of a lane; whoever has used it opens another one. */
export const MAX_CALL_ID = 0xffffffff

/** Whether a text, and `more` bytes beside it, are short enough for a lane. */
export function fitsLane(text: string, more = 0): boolean {
  const room = MAX_LANE_BYTES - more
  // Most are so short that nobody needs to count their bytes: a UTF-16 unit takes three at most.
  return text.length * 3 <= room || (text.length <= room && Buffer.byteLength(text) <= room)
}

/** A message in a frame of its own. */
export function messageOnLane(call: number, text: string): Uint8Array {
  const length = Buffer.byteLength(text)
  const frame = Buffer.alloc(LANE_HEADER_BYTES + length)
  frame.writeUInt16BE(length)
  frame[2] = LaneType.MESSAGE
  frame.writeUInt32BE(call, 3)
  frame.write(text, LANE_HEADER_BYTES)
  return frame
}

/** Ends a lane. `call` is the last that was sent, or seen. */
export function endFrame(call: number): Uint8Array {
  const frame = Buffer.alloc(LANE_HEADER_BYTES)
  frame[2] = LaneType.END
  frame.writeUInt32BE(call, 3)
  return frame
}

/** Takes the frames of a lane. The payload is `bytes` between `from` and `to`, for as long as the call lasts. */
export interface LaneFrames {
  /** False: no more frames are wanted. */
  frame(type: number, call: number, bytes: Uint8Array, from: number, to: number): boolean
}

const NONE = new Uint8Array(0)

/** Cuts what arrives on a lane into frames, however it was cut before. It holds one unfinished frame at most. */
export class LaneReader {
  #rest: Uint8Array = NONE

  constructor(private readonly frames: LaneFrames) {}

  /** Gives the frames out that are complete. Throws {@link WireError}, and whatever `frames` does. */
  push(chunk: Uint8Array): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const end = bytes.length
    let at = 0
    while (end - at >= LANE_HEADER_BYTES) {
      const length = ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
      const type = bytes[at + 2] as number
      if (length > MAX_LANE_BYTES) throw new WireError(`${String(length)} bytes in a frame on a lane`)
      if (type < LaneType.MESSAGE || type > LaneType.END)
        throw new WireError(`not a frame on a lane: type ${String(type)}`)
      const from = at + LANE_HEADER_BYTES
      const to = from + length
      if (to > end) break
      const call =
        (((bytes[at + 3] as number) << 24) |
          ((bytes[at + 4] as number) << 16) |
          ((bytes[at + 5] as number) << 8) |
          (bytes[at + 6] as number)) >>>
        0
      at = to
      if (!this.frames.frame(type, call, bytes, from, to)) return
    }
    // A copy, lest a few bytes keep a large chunk.
    this.#rest = at === end ? NONE : new Uint8Array(bytes.subarray(at))
  }
}
