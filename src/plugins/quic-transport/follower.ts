import { sameWay, type Way } from './way.js'

/** How long the way in use must be quiet before another one is looked at: late datagrams must not call it back. */
export const QUIET_MS = 50
/** Other ways that are looked at at a time; the datagrams of further ones are taken, and not followed. */
export const MAX_CANDIDATES = 4
/** For how long a way is remembered after it was heard last, or was not proved. */
export const FORGET_MS = 5_000

/** `asked`: it is being proved. `refused`: nobody has answered there. */
export type Proof = 'none' | 'asked' | 'proved' | 'refused'

interface Candidate {
  readonly way: Way
  proof: Proof
  /** When it was heard first since the way in use was heard. */
  since: number
  heardAt: number
}

/**
 * Decides whether the peer is elsewhere: its NAT has given it another address, or it has moved. A datagram from
 * elsewhere does not say so by itself, for an observer may have sent it on from an address of his own. Then the peer's
 * own datagrams come over the way in use, too. So that must be quiet, and the other way must be proved. Pure: times are
 * arguments, `hereAt` is when something was heard over the way in use last.
 */
export class Follower {
  #candidates: Candidate[] = []

  /** Nothing is looked at. */
  get isIdle(): boolean {
    return this.#candidates.length === 0
  }

  /** What is known of a way, if anything. */
  proofOf(way: Way): Proof | undefined {
    return this.#find(way)?.proof
  }

  /** A datagram of the peer's came over another way than the one in use. */
  heard(way: Way, now: number, hereAt: number, proof: 'none' | 'proved'): void {
    this.#candidates = this.#candidates.filter((candidate) => !isStale(candidate, now, hereAt))
    const known = this.#find(way)
    if (known === undefined) {
      if (this.#candidates.length >= MAX_CANDIDATES && !this.#dropRefused()) return
      this.#candidates.push({ way, proof, since: now, heardAt: now })
    } else if (known.proof !== 'refused') {
      if (known.since <= hereAt) known.since = now
      known.heardAt = now
    }
  }

  /** Ways that are to be proved now; settle them later. */
  ask(now: number, hereAt: number): Way[] {
    const asked = this.#candidates.filter((one) => one.proof === 'none' && now >= dueOf(one, hereAt))
    for (const candidate of asked) candidate.proof = 'asked'
    return asked.map(({ way }) => way)
  }

  /** Whether the peer has answered over a way. One that is refused is forgotten after {@link FORGET_MS}. */
  settle(way: Way, proved: boolean): void {
    const candidate = this.#find(way)
    if (candidate !== undefined) candidate.proof = proved ? 'proved' : 'refused'
  }

  /** The way that the peer takes now, if it is another one than that in use. */
  choose(now: number, hereAt: number): Way | undefined {
    const [chosen] = this.#candidates
      .filter((candidate) => candidate.proof === 'proved' && now >= dueOf(candidate, hereAt))
      .sort((a, b) => b.heardAt - a.heardAt)
    if (chosen === undefined) return undefined
    this.#candidates = this.#candidates.filter((other) => other !== chosen)
    return chosen.way
  }

  /** When there is something to ask or to choose. */
  due(hereAt: number): number {
    return this.#candidates.reduce((due, candidate) => Math.min(due, dueOf(candidate, hereAt)), Infinity)
  }

  #dropRefused(): boolean {
    const at = this.#candidates.findIndex(({ proof }) => proof === 'refused')
    if (at >= 0) this.#candidates.splice(at, 1)
    return at >= 0
  }

  #find(way: Way): Candidate | undefined {
    return this.#candidates.find((candidate) => sameWay(candidate.way, way))
  }
}

function dueOf({ proof, since, heardAt }: Candidate, hereAt: number): number {
  if (heardAt <= hereAt || proof === 'asked' || proof === 'refused') return Infinity
  // Of a proved way it is enough that the one in use is quiet; another one may have overtaken the peer's own datagrams.
  return QUIET_MS + (proof === 'proved' ? hereAt : Math.max(since, hereAt))
}

function isStale({ proof, heardAt }: Candidate, now: number, hereAt: number): boolean {
  if (proof === 'asked') return false
  return now - heardAt >= FORGET_MS || (proof === 'none' && heardAt <= hereAt)
}
