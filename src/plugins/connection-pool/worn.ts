import type { Connection } from '../../kernel/index.js'
import { SIMULTANEOUS_MS, type Contender } from './arbiter.js'

/** A connection that can take fewer paths than this in the rest of its life is replaced by a fresh one. */
export const WORN_PATHS = 8

export function isWorn(connection: Connection): boolean {
  return connection.stats().pathsLeft < WORN_PATHS
}

/**
 * Whether `winner` was made to replace `loser`, and not at the same time: then what is under way on the loser is no
 * mistake of anyone's, and has as long as it takes.
 */
export function replaces(winner: Contender, loser: Contender): boolean {
  return winner.direction === loser.direction && winner.openedAt - loser.openedAt > SIMULTANEOUS_MS
}
