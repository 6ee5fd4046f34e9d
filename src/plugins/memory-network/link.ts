import type { Random } from '../../kernel/index.js'
import type { Address } from '../../model/index.js'

/**
 * What becomes of one datagram on its way: the milliseconds after which it arrives, or `undefined` if it is lost.
 * Chance comes from `random` alone, so that a network can be replayed.
 */
export type Link = (from: Address, to: Address, bytes: number, random: Random) => number | undefined

export interface LinkOptions {
  /** One-way delay in milliseconds, or the range that it is drawn from; a range reorders datagrams. 0 unless given. */
  readonly latencyMs?: number | readonly [min: number, max: number]
  /** The share of datagrams that is lost, 0 to 1. 0 unless given. */
  readonly lossRate?: number
}

/** A link with a steady latency and independent losses. */
export function simpleLink({ latencyMs = 0, lossRate = 0 }: LinkOptions): Link {
  const [min, max] = typeof latencyMs === 'number' ? [latencyMs, latencyMs] : latencyMs
  return (_from, _to, _bytes, random) => {
    if (lossRate > 0 && random.float() < lossRate) return undefined
    return max > min ? min + random.float() * (max - min) : min
  }
}
