import { SIMULTANEOUS_MS, type Contender } from './arbiter.js'

/**
 * Whether `winner` was made to replace `loser`, and not at the same time: then what is under way on the loser is no
 * mistake of anyone's, and has as long as it takes.
 */
export function replaces(winner: Contender, loser: Contender): boolean {
  return winner.direction === loser.direction && winner.openedAt - loser.openedAt > SIMULTANEOUS_MS
}
