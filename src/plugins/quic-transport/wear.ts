/** A connection that can take fewer paths than this in the rest of its life is worn. */
export const WORN_PATHS = 8
/** A connection with more resets than this is worn: each may have cost some of its window. */
export const WORN_RESETS = 64
/** The share of the places for streams that may be missing, and that may be in use while it is looked for them. */
const MISSING_SHARE = 3 / 4
const IN_USE_SHARE = 1 / 8

export interface Wear {
  readonly pathsLeft: number
  /** Streams that this side may still open, those that are open, and those that it could open at first. */
  readonly streamsLeft: number
  readonly ownStreams: number
  readonly firstStreams: number
  /** Sides of streams that either end has reset so far. */
  readonly resets: number
}

/**
 * Whether so little is left of a connection that a new one should take its place. A stream that was stopped or reset
 * while packets are lost may keep its place for ever: quiche 0.18 does not send all of that again. Places that are only
 * on their way back are no more than those that were just in use. And what nobody had read of a stream when its reset
 * came, quiche counts against the window of the connection for ever, while it announces more only when 24 KB are left:
 * so much lost, and the connection comes to rest once the first window (16 MiB) is used up, without a word to anyone.
 */
export function isWorn({ pathsLeft, streamsLeft, ownStreams, firstStreams, resets }: Wear): boolean {
  if (pathsLeft < WORN_PATHS || resets > WORN_RESETS) return true
  if (ownStreams > IN_USE_SHARE * firstStreams) return false
  return streamsLeft + ownStreams < (1 - MISSING_SHARE) * firstStreams
}
