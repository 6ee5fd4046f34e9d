import { sameWay, type Way } from './way.js'

/** How long the way in use must have been quiet before another one is followed, lest late datagrams call it back. */
export const QUIET_MS = 50
/** Other ways that are looked at at a time; the datagrams of further ones are taken, and not followed. */
export const MAX_CANDIDATES = 4
/** For how long a way is remembered that nothing was heard on, or that was not proved. */
export const FORGET_MS = 5_000

/** `asked`: it is being proved. `refused`: nobody has answered there. */
type Proof = 'asked' | 'proved' | 'refused'

interface Candidate {
  readonly way: Way
  proof: Proof
  heardAt: number
}

/**
 * Decides whether the peer is elsewhere: its NAT has given it another address, or it has moved. A datagram from
 * elsewhere does not say so by itself: an observer may have sent it on from an address of his own. So the other way must
 * be proved, and the way in use be quiet, on which the peer's own datagrams would arrive too. Pure: times are arguments.
 */
export class Follower {
  #candidates: Candidate[] = []

  /** What is known of a way, if anything. */
  proofOf(way: Way): Proof | undefined {
    return this.#find(way)?.proof
  }

  /** A datagram of the peer's came over another way than the one in use. False if it cannot be looked at. */
  heard(way: Way, now: number, proof: 'asked' | 'proved'): boolean {
    this.#candidates = this.#candidates.filter(({ heardAt, proof }) => proof === 'asked' || now - heardAt < FORGET_MS)
    const known = this.#find(way)
    if (known !== undefined) {
      if (known.proof !== 'refused') known.heardAt = now
      return true
    }
    if (this.#candidates.length >= MAX_CANDIDATES) return false
    this.#candidates.push({ way, proof, heardAt: now })
    return true
  }

  /** Whether the peer has answered over a way. One that is refused is forgotten after {@link FORGET_MS}. */
  settle(way: Way, proved: boolean): void {
    const candidate = this.#find(way)
    if (candidate !== undefined) candidate.proof = proved ? 'proved' : 'refused'
  }

  /** The way that the peer takes now, if it is another one than that in use, where it was heard last at `hereAt`. */
  choose(now: number, hereAt: number): Way | undefined {
    if (now - hereAt < QUIET_MS) return undefined
    const chosen = this.#later(hereAt).sort((a, b) => b.heardAt - a.heardAt)[0]
    if (chosen === undefined) return undefined
    this.#candidates = this.#candidates.filter((other) => other !== chosen)
    return chosen.way
  }

  /** When to choose at the latest. */
  due(hereAt: number): number {
    return this.#later(hereAt).length > 0 ? hereAt + QUIET_MS : Infinity
  }

  #later(hereAt: number): Candidate[] {
    return this.#candidates.filter(({ heardAt, proof }) => proof === 'proved' && heardAt > hereAt)
  }

  #find(way: Way): Candidate | undefined {
    return this.#candidates.find((candidate) => sameWay(candidate.way, way))
  }
}
