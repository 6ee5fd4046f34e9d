import { seededRandom } from '#src/testkit/index.js'
import { KINDS, type Corpus } from './corpus.js'
import { Clients, openInitial } from './initial.js'

const MAX_BYTES = 1_500
/** Datagrams of live connections that are remembered, to be thrown back altered. */
const MAX_LIVE = 64

type Chance = ReturnType<typeof seededRandom>

/** Ways to make a datagram, in the order in which chance picks them. */
export const WAYS = [
  'random',
  'replayed',
  'cut',
  'flipped',
  'overwritten',
  'joined',
  'lengths',
  'sealed',
  'live'
] as const
export type Way = (typeof WAYS)[number]

/** Hostile datagrams, the same ones from the same seed; but for those that are made of what live connections send. */
export class Mutations {
  readonly #chance: Chance
  readonly #corpus: readonly Buffer[][]
  readonly #clients: Clients
  readonly #hello: Uint8Array
  readonly #noise: Buffer
  readonly #live: Buffer[] = []
  #heard = 0

  constructor(corpus: Corpus, seed: number) {
    this.#chance = seededRandom(seed)
    this.#corpus = KINDS.map((kind) => [...corpus[kind]])
    this.#clients = new Clients(corpus.initial[0]!)
    this.#hello = openInitial(corpus.initial[0]!).payload
    this.#noise = Buffer.from(this.#chance.bytes(64 * 1024))
  }

  /** Takes what a live connection has sent. */
  overhear(data: Buffer): void {
    this.#live[this.#heard++ % MAX_LIVE] = data
  }

  next(): { way: Way; data: Buffer } {
    const way = this.#pick(WAYS)
    return { way, data: this.#ways[way]().subarray(0, MAX_BYTES) }
  }

  /** A number below, such as the port that one comes from. */
  below(limit: number): number {
    return this.#chance.int(limit)
  }

  readonly #ways: Record<Way, () => Buffer> = {
    random: () => {
      const data = Buffer.from(this.#bytes(1 + this.below(MAX_BYTES)))
      // One in two claims to be of our version, with connection ids of proper lengths.
      if (this.below(2) === 0 && data.length > 50) {
        data[0]! |= 0xc0
        data.set([0, 0, 0, 1, 20], 1)
        data[26] = 20
      }
      return data
    },
    replayed: () => this.#captured(),
    cut: () => {
      const data = this.#captured()
      return data.subarray(0, 1 + this.below(data.length))
    },
    flipped: () => this.#flip(this.#captured()),
    overwritten: () => {
      const data = Buffer.from(this.#captured())
      data.set(this.#bytes(1 + this.below(40)).subarray(0, data.length), this.below(Math.max(1, data.length - 40)))
      return data
    },
    joined: () => Buffer.concat([this.#captured(), this.#captured(), this.#bytes(this.below(100))]),
    lengths: () => {
      // Of ids, tokens and packets: all are in the first bytes.
      const data = Buffer.from(this.#captured())
      data[5 + this.below(Math.min(60, Math.max(1, data.length - 5)))] = this.#pick([0, 1, 7, 20, 21, 0x40, 0x80, 0xff])
      return data
    },
    // What passes the keys that all can know, and so goes deeper than anything else that is altered.
    sealed: () => {
      const payload = Buffer.from(this.#hello)
      const rest = this.#flip(payload)
      const token = this.below(4) === 0 ? this.#bytes(this.below(80)) : new Uint8Array(0)
      const frames = this.below(3) === 0 ? Buffer.concat([this.#bytes(1 + this.below(30)), rest]) : rest
      return this.#clients.next((count) => this.#chance.bytes(count), { payload: frames, token, number: this.below(3) })
    },
    live: () => {
      const data = this.#live.length > 0 ? this.#pick(this.#live) : this.#captured()
      const how = this.below(4)
      if (how === 0) return data
      return how === 1 ? data.subarray(0, 1 + this.below(data.length)) : this.#flip(data)
    }
  }

  #captured(): Buffer {
    return this.#pick(this.#pick(this.#corpus))
  }

  /** With one to eight bits flipped, one time in two among the first bytes. */
  #flip(original: Buffer): Buffer {
    const data = Buffer.from(original)
    const among = this.below(2) === 0 ? Math.min(64, data.length) : data.length
    for (let flips = 1 + this.below(8); flips > 0; flips--) data[this.below(among)]! ^= 1 << this.below(8)
    return data
  }

  #bytes(count: number): Buffer {
    const at = this.below(this.#noise.length - count)
    return this.#noise.subarray(at, at + count)
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T
  }
}
