import type { Frame } from './frames.js'

/** Takes messages out of one direction of a stream, however it was cut into chunks, holding one unfinished one at most. */
export interface MessageReader {
  /** True when what ends the direction has been given out. */
  readonly ended: boolean
  /** What has arrived and was not looked at. */
  readonly rest: Uint8Array
  /** Adds what arrived. Only when `next` has returned `undefined`. */
  push(chunk: Uint8Array): void
  /** Nothing more will arrive. Throws `WireError` if more must. */
  end(): void
  /** The next message, or `undefined` until more is pushed. Throws `WireError`, or as `ByteBudget.take` does. */
  next(): Frame | undefined
  /** Forgets what was gathered. The reader is of no use any more. */
  drop(): void
}
