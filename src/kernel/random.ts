import { randomBytes, randomInt } from 'node:crypto'
import { token } from './token.js'

/** Chance, injected so that a whole network can be replayed from a seed. Secrets never come from here. */
export interface Random {
  /** A number in [0, 1). */
  float(): number
  /** An integer in [0, below). `below` is at least 1. */
  int(below: number): number
  /** `length` bytes. */
  bytes(length: number): Uint8Array
}

export const Random = token<Random>('Random')

/** The machine's own randomness. */
export const systemRandom: Random = {
  float: () => randomInt(2 ** 47) / 2 ** 47,
  int: (below) => randomInt(below),
  bytes: (length) => randomBytes(length)
}
