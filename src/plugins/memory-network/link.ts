import type { Random } from '../../kernel/index.js'
import { InvalidInputError, type Address } from '../../model/index.js'

/**
 * What becomes of one datagram on its way: the milliseconds after which it arrives, one for each copy if there are
 * several, or `undefined` if it is lost. Chance comes from `random` alone, so that a network can be replayed.
 */
export type Link = (from: Address, to: Address, bytes: number, random: Random) => number | readonly number[] | undefined

export interface LinkOptions {
  /** One-way delay in milliseconds, or the range that each datagram's is drawn from. 0 unless given. */
  readonly latencyMs?: number | readonly [min: number, max: number]
  /** Whether datagrams arrive in the order in which they were sent; a range of delays lets them overtake unless given. */
  readonly inOrder?: boolean
  /** The share of datagrams that is lost, 0 to 1. 0 unless given. */
  readonly lossRate?: number
  /** The share of datagrams that arrives twice, 0 to 1. 0 unless given. */
  readonly duplicateRate?: number
  /** What the link carries one way, in bytes a second; unlimited unless given. */
  readonly bytesPerSecond?: number
  /** Bytes that may wait, the datagram being sent included, where `bytesPerSecond` is given; further datagrams are dropped. 65,536. */
  readonly queueBytes?: number
}

export const DEFAULT_QUEUE_BYTES = 65_536

/** Milliseconds after which each copy of a datagram arrives, or why none does. */
export type Fate = readonly number[] | 'lost' | 'congested'

/** One direction of a link, with what waits in it. */
export interface Way {
  carry(from: Address, to: Address, bytes: number, now: number, random: Random): Fate
}

const LINK_OPTIONS: ReadonlySet<string> = new Set<keyof LinkOptions>([
  'latencyMs',
  'inOrder',
  'lossRate',
  'duplicateRate',
  'bytesPerSecond',
  'queueBytes'
])

/** A direction of its own for a link. Throws `ERR_INVALID_INPUT` on options that make no sense. */
export function makeWay(link: Link | LinkOptions): Way {
  if (typeof link !== 'function') {
    if (typeof link !== 'object' || (link as unknown) === null) {
      throw new InvalidInputError(`no link can be like this: ${JSON.stringify(link)}`)
    }
    return new ShapedWay(link)
  }
  return {
    carry(from, to, bytes, _now, random) {
      const delays = link(from, to, bytes, random)
      if (delays === undefined) return 'lost'
      return typeof delays === 'number' ? [delays] : delays
    }
  }
}

/** A queue of limited size, a line of limited speed, and chance on the rest of the way. */
class ShapedWay implements Way {
  readonly #latency: readonly [min: number, max: number]
  readonly #inOrder: boolean
  readonly #lossRate: number
  readonly #duplicateRate: number
  readonly #bytesPerMs: number
  readonly #queueBytes: number
  /** When the line will have sent all that waits. */
  #freeAt = 0
  #lastArrival = 0

  constructor(options: LinkOptions) {
    const unknown = Object.keys(options).find((name) => !LINK_OPTIONS.has(name))
    if (unknown !== undefined) throw new InvalidInputError(`a link has no option ${JSON.stringify(unknown)}`)
    const { latencyMs = 0, lossRate = 0, duplicateRate = 0, inOrder = false } = options
    const { bytesPerSecond = Infinity, queueBytes = DEFAULT_QUEUE_BYTES } = options
    this.#latency = typeof latencyMs === 'number' ? [latencyMs, latencyMs] : latencyMs
    this.#inOrder = inOrder
    this.#lossRate = lossRate
    this.#duplicateRate = duplicateRate
    this.#bytesPerMs = bytesPerSecond / 1_000
    this.#queueBytes = queueBytes
    const [min, max] = this.#latency
    const isRate = (rate: number): boolean => rate >= 0 && rate <= 1
    if (!(min >= 0 && max >= min && bytesPerSecond > 0 && queueBytes >= 0 && [lossRate, duplicateRate].every(isRate))) {
      throw new InvalidInputError(`no link can be like this: ${JSON.stringify(options)}`)
    }
  }

  carry(_from: Address, _to: Address, bytes: number, now: number, random: Random): Fate {
    const waited = Math.max(0, this.#freeAt - now)
    // An idle line takes a datagram of any size.
    if (waited > 0 && waited * this.#bytesPerMs + bytes > this.#queueBytes) return 'congested'
    const sent = waited + bytes / this.#bytesPerMs
    this.#freeAt = now + sent
    if (this.#lossRate > 0 && random.float() < this.#lossRate) return 'lost'
    const first = this.#arrival(now, sent, random)
    if (this.#duplicateRate === 0 || random.float() >= this.#duplicateRate) return [first]
    return [first, this.#arrival(now, sent, random)]
  }

  #arrival(now: number, sent: number, random: Random): number {
    const [min, max] = this.#latency
    const latency = max > min ? min + random.float() * (max - min) : min
    if (!this.#inOrder) return sent + latency
    this.#lastArrival = Math.max(this.#lastArrival, now + sent + latency)
    return this.#lastArrival - now
  }
}
