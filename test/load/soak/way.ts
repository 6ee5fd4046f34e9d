import {
  ConnectionClosedError,
  readChunk,
  sleep,
  StreamResetError,
  systemClock,
  writeChunk,
  type CloseInfo,
  type Stream
} from '#src/kernel/index.js'
import { MAX_PIECE_BYTES, piece } from './content.js'

/** What is meant to happen in one direction of a stream. */
export interface Intention {
  /** What the content depends on; no two ways have the same. */
  readonly way: number
  /** Bytes that are written. An end has at least one to travel with, since alone it may be lost for ever. */
  readonly bytes: number
  /** The most that is written at a time. */
  readonly pieceBytes: number
  /** With what the writer gives up instead of an end. */
  readonly resetCode?: number
  /** After so many bytes, or the first that come then, the reader wants no more. */
  readonly stop?: { readonly after: number; readonly code: number }
  /** After so many bytes the reader looks away for a while. */
  readonly stall?: { readonly after: number; readonly ms: number }
}

/** How a direction was over for one of its sides. `code` is that of its own reset or stop, or the one that it was told. */
export type Outcome =
  | { readonly how: 'ended' | 'gave up' | 'told'; readonly bytes: number; readonly code: number }
  | { readonly how: 'closed'; readonly bytes: number; readonly info: CloseInfo }

/** Writes as intended, for as long as the other side lets it. */
export async function write(stream: Stream, { way, bytes, pieceBytes, resetCode }: Intention): Promise<Outcome> {
  let at = 0
  try {
    while (at < bytes) {
      const next = piece(way, at, Math.min(pieceBytes, bytes - at))
      at += next.length
      if (at === bytes && resetCode === undefined) stream.end(next)
      else await writeChunk(stream, next)
    }
    if (resetCode === undefined) return { how: 'ended', bytes: at, code: 0 }
    stream.reset(resetCode)
    return { how: 'gave up', bytes: at, code: resetCode }
  } catch (error) {
    return outcomeOf(error, at)
  }
}

/** Reads as intended, and checks every byte. */
export async function read(stream: Stream, { way, stop, stall }: Intention): Promise<Outcome> {
  let at = 0
  let stalled = false
  try {
    for (;;) {
      if (stop !== undefined && at >= stop.after) {
        stream.stop(stop.code)
        return { how: 'gave up', bytes: at, code: stop.code }
      }
      const chunk = await readChunk(stream)
      if (chunk === null) return { how: 'ended', bytes: at, code: 0 }
      check(way, at, chunk)
      at += chunk.length
      if (stall === undefined || stalled || at < stall.after) continue
      stalled = true
      await sleep(systemClock, stall.ms)
    }
  } catch (error) {
    return outcomeOf(error, at)
  }
}

function check(way: number, offset: number, chunk: Uint8Array): void {
  for (let at = 0; at < chunk.length; at += MAX_PIECE_BYTES) {
    const part = chunk.subarray(at, at + MAX_PIECE_BYTES)
    if (!piece(way, offset + at, part.length).equals(part)) {
      throw new Error(`way ${way}: other bytes than were sent, from ${offset + at} on`)
    }
  }
}

function outcomeOf(error: unknown, bytes: number): Outcome {
  if (error instanceof StreamResetError) return { how: 'told', bytes, code: error.streamCode }
  if (error instanceof ConnectionClosedError) return { how: 'closed', bytes, info: error.info }
  throw error
}
