import { InvalidInputError, PeerloomError, type NodeId } from '../../model/index.js'

/** Tags that one plugin may have on peers; a further one is refused. */
export const MAX_TAGS = 16_384
/** The longest time for which a connection may be wished to stay unused. */
export const MAX_STAY_MS = 7 * 86_400_000

/** What one plugin wants of its peers. */
export class OwnWishes {
  readonly #protections = new Map<NodeId, Set<string>>()
  readonly #stays = new Map<NodeId, Map<string, number>>()
  #tags = 0

  protect(peer: NodeId, tag: string): void {
    const tags = this.#protections.get(peer)
    if (tags?.has(tag) === true) return
    this.#count()
    if (tags === undefined) this.#protections.set(peer, new Set([tag]))
    else tags.add(tag)
  }

  unprotect(peer: NodeId, tag: string): void {
    const tags = this.#protections.get(peer)
    if (tags?.delete(tag) !== true) return
    this.#tags--
    if (tags.size === 0) this.#protections.delete(peer)
  }

  stay(peer: NodeId, tag: string, ms: number): void {
    if (!(ms >= 0 && ms <= MAX_STAY_MS)) {
      throw new InvalidInputError(`not a time to stay: ${String(ms)} (expected 0 to ${String(MAX_STAY_MS)} ms)`)
    }
    const tags = this.#stays.get(peer)
    if (ms === 0) {
      if (tags?.delete(tag) !== true) return
      this.#tags--
      if (tags.size === 0) this.#stays.delete(peer)
      return
    }
    if (tags?.has(tag) !== true) this.#count()
    if (tags === undefined) this.#stays.set(peer, new Map([[tag, ms]]))
    else tags.set(tag, ms)
  }

  isProtected(peer: NodeId): boolean {
    return this.#protections.has(peer)
  }

  /** The longest of the times to stay; 0 if there is none. */
  stayMs(peer: NodeId): number {
    const tags = this.#stays.get(peer)
    return tags === undefined ? 0 : Math.max(...tags.values())
  }

  #count(): void {
    if (this.#tags >= MAX_TAGS) throw new PeerloomError('ERR_LIMIT', `${String(MAX_TAGS)} tags on peers are in use`)
    this.#tags++
  }
}

/** What all plugins together want. */
export class Wishes {
  readonly #owners = new Set<OwnWishes>()

  /** The wishes of one more plugin, and what takes all of them back. */
  owner(): { wishes: OwnWishes; forget: () => void } {
    const wishes = new OwnWishes()
    this.#owners.add(wishes)
    return { wishes, forget: () => this.#owners.delete(wishes) }
  }

  isProtected(peer: NodeId): boolean {
    for (const wishes of this.#owners) if (wishes.isProtected(peer)) return true
    return false
  }

  stayMs(peer: NodeId): number {
    let longest = 0
    for (const wishes of this.#owners) longest = Math.max(longest, wishes.stayMs(peer))
    return longest
  }
}
