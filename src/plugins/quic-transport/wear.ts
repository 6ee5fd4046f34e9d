/** A connection that can take fewer paths than this in the rest of its life is worn. */
export const WORN_PATHS = 8
/** The share of the places for streams that may be missing, and that may be in use while it is looked for them. */
const MISSING_SHARE = 3 / 4
const IN_USE_SHARE = 1 / 8

export interface Wear {
  readonly pathsLeft: number
  /** Streams that this side may still open, those that are open, and those that it could open at first. */
  readonly streamsLeft: number
  readonly ownStreams: number
  readonly firstStreams: number
}

/**
 * Whether so little is left of a connection that a new one should take its place. A stream that was stopped or reset
 * while packets are lost may keep its place for ever: quiche 0.18 does not send all of that again. Places that are only
 * on their way back are no more than those that were just in use.
 */
export function isWorn({ pathsLeft, streamsLeft, ownStreams, firstStreams }: Wear): boolean {
  if (pathsLeft < WORN_PATHS) return true
  if (ownStreams > IN_USE_SHARE * firstStreams) return false
  return streamsLeft + ownStreams < (1 - MISSING_SHARE) * firstStreams
}
