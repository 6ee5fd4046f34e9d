import type { Contact, NodeId } from '../../model/index.js'
import { compareDistance, keyOf, sameKey } from './distance.js'
import { K } from './routing-table.js'

/** Queries in flight at a time in one look-up (Kademlia §2.3: α). */
export const ALPHA = 3
/** Nodes that one look-up asks at most: an honest network of 10,000 takes about 31. */
export const MAX_CONTACTED = 64

export interface LookupOptions {
  /** The key of the node that looks up; it is never asked. */
  readonly self: Uint8Array
  readonly target: Uint8Array
  /** Contacts known already, nearest first; the first k are used. */
  readonly initial: readonly Contact[]
  readonly k?: number
  readonly alpha?: number
  readonly maxContacted?: number
}

/** A node to be asked for the contacts nearest to the target. */
export interface Query {
  readonly contact: Contact
  /** How many answers it takes to know this node, and one: nodes known from the start are asked in hop 1. */
  readonly hop: number
}

interface Candidate extends Query {
  readonly key: Uint8Array
  state: 'new' | 'asked' | 'answered' | 'failed'
}

/**
 * An iterative look-up (Kademlia §2.3) as a state machine: take `next()`, ask those nodes, report each with `onAnswer`
 * or `onFailure`, until `ended`. It ends when the target's contact is known, when the k nearest nodes known have all
 * answered (silent ones do not count among them), or when it has asked as many as it may. Pure.
 */
export class Lookup {
  readonly #self: Uint8Array
  readonly #target: Uint8Array
  readonly #k: number
  readonly #alpha: number
  readonly #maxContacted: number
  /** By node id: whoever was heard of. */
  readonly #known = new Map<NodeId, Candidate>()
  /** Nearest first, without those that failed. */
  readonly #nearest: Candidate[] = []
  readonly #contacted: NodeId[] = []
  #inFlight = 0
  #found: Query | undefined

  constructor({ self, target, initial, k = K, alpha = ALPHA, maxContacted = MAX_CONTACTED }: LookupOptions) {
    this.#self = self
    this.#target = target
    this.#k = k
    this.#alpha = alpha
    this.#maxContacted = maxContacted
    this.#add(initial, 1)
  }

  /** The queries to send now, marked as sent: as many as α allows. */
  next(): Query[] {
    const queries: Query[] = []
    for (const candidate of this.ended ? [] : this.#window()) {
      if (this.#inFlight >= this.#alpha || this.#exhausted) break
      if (candidate.state !== 'new') continue
      candidate.state = 'asked'
      this.#inFlight++
      this.#contacted.push(candidate.contact.id)
      queries.push(candidate)
    }
    return queries
  }

  /** A node answered; at most k of the contacts are taken. Returns how many were new. */
  onAnswer(id: NodeId, contacts: readonly Contact[]): number {
    const candidate = this.#settle(id, 'answered')
    return candidate === undefined ? 0 : this.#add(contacts, candidate.hop + 1)
  }

  /** A node did not answer, or not with sense. */
  onFailure(id: NodeId): void {
    const candidate = this.#settle(id, 'failed')
    if (candidate !== undefined) this.#nearest.splice(this.#nearest.indexOf(candidate), 1)
  }

  get ended(): boolean {
    return (
      this.#found !== undefined ||
      !this.#window().some(({ state }) => state === 'asked' || (state === 'new' && !this.#exhausted))
    )
  }

  /** The target's contact, once known. */
  get found(): Contact | undefined {
    return this.#found?.contact
  }

  /** The chain of answers that led to the target or, if it was not found, the longest one to the nearest nodes. */
  get hops(): number {
    if (this.#found !== undefined) return this.#found.hop - 1
    return this.#answered().reduce((longest, { hop }) => Math.max(longest, hop), 0)
  }

  /** Every node that was asked, in order. */
  get contacted(): readonly NodeId[] {
    return this.#contacted
  }

  /** The at most k nearest nodes that answered, nearest first. */
  get closest(): readonly Contact[] {
    return this.#answered().map(({ contact }) => contact)
  }

  get #exhausted(): boolean {
    return this.#contacted.length >= this.#maxContacted
  }

  #window(): readonly Candidate[] {
    return this.#nearest.slice(0, this.#k)
  }

  #answered(): readonly Candidate[] {
    return this.#nearest.filter(({ state }) => state === 'answered').slice(0, this.#k)
  }

  #settle(id: NodeId, state: 'answered' | 'failed'): Candidate | undefined {
    const candidate = this.#known.get(id)
    if (candidate?.state !== 'asked') return undefined
    candidate.state = state
    this.#inFlight--
    return candidate
  }

  #add(contacts: readonly Contact[], hop: number): number {
    let added = 0
    for (const contact of contacts.slice(0, this.#k)) {
      const key = keyOf(contact)
      if (this.#known.has(contact.id) || sameKey(key, this.#self)) continue
      const candidate: Candidate = { contact, key, hop, state: 'new' }
      if (sameKey(key, this.#target)) this.#found ??= candidate
      this.#known.set(contact.id, candidate)
      this.#nearest.splice(this.#placeOf(key), 0, candidate)
      added++
    }
    return added
  }

  #placeOf(key: Uint8Array): number {
    let low = 0
    let high = this.#nearest.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (compareDistance(this.#target, (this.#nearest[middle] as Candidate).key, key) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}
