import { Contact, NodeId } from '../../model/index.js'
import { BUCKETS, bucketIndex, compareDistance, differsAt, keyOf } from './distance.js'

/** Contacts in a bucket, and in an answer (Kademlia §2.1: k). */
export const K = 20
/** Newcomers that wait for a place in a full bucket; the least recently seen is forgotten first. */
export const MAX_REPLACEMENTS = 5
/** Addresses kept of one contact, the latest first. */
export const MAX_ADDRESSES = 8

interface Entry {
  readonly contact: Contact
  readonly key: Uint8Array
  /** Grows with each sighting in the whole table. */
  readonly seen: number
}

interface Bucket {
  /** Least recently seen first. */
  entries: Entry[]
  /** Least recently seen first; empty unless the bucket is full. */
  replacements: Entry[]
}

/** What a call changed, and what the caller is to do next. */
export interface TableChange {
  readonly added?: Contact
  readonly removed?: Contact
  /** Ping this contact, then say `pinged`, or `spare` if that was not possible. */
  readonly ping?: Contact
}

/**
 * The contacts that one node knows (Kademlia §2.2): for each distance a bucket of at most k, the least recently seen
 * first. An old contact that still answers is never displaced by a newcomer, since who has been up for long is likely
 * to stay; newcomers wait in a small cache (§4.1). Pure: it knows neither time nor network.
 */
export class RoutingTable {
  readonly #self: Uint8Array
  readonly #k: number
  readonly #buckets: (Bucket | undefined)[] = new Array<Bucket | undefined>(BUCKETS)
  /** Contacts that are being pinged; a sighting clears the suspicion. */
  readonly #suspects = new Set<NodeId>()
  #size = 0
  #sightings = 0

  /** @param self the key of the node whose table it is */
  constructor(self: Uint8Array, k = K) {
    this.#self = self
    this.#k = k
  }

  get size(): number {
    return this.#size
  }

  /** The bucket that a key falls into; −1 for self. */
  bucketOf(key: Uint8Array): number {
    return bucketIndex(this.#self, key)
  }

  /** Contacts of one bucket, least recently seen first. */
  bucket(index: number): readonly Contact[] {
    return this.#buckets[index]?.entries.map(({ contact }) => contact) ?? []
  }

  /** Newcomers that wait for a place in one bucket, least recently seen first. */
  replacements(index: number): readonly Contact[] {
    return this.#buckets[index]?.replacements.map(({ contact }) => contact) ?? []
  }

  /** Where the bucket of the nearest contact is; `BUCKETS` if there are no contacts. */
  get nearestBucket(): number {
    const at = this.#buckets.findIndex((bucket) => bucket !== undefined && bucket.entries.length > 0)
    return at < 0 ? BUCKETS : at
  }

  get(id: NodeId): Contact | undefined {
    return this.#find(id, NodeId.toBytes(id))?.entry.contact
  }

  /**
   * A contact has answered this node, which is the only way into the table. Its addresses go before those known
   * already. If its bucket is full it waits, and the oldest of the bucket is to be pinged, unless that is under way.
   */
  seen(contact: Contact): TableChange {
    const key = keyOf(contact)
    const index = this.bucketOf(key)
    if (index < 0) return {}
    const { entries, replacements } = (this.#buckets[index] ??= { entries: [], replacements: [] })
    this.#suspects.delete(contact.id)
    const known = take(entries, contact.id)
    if (known !== undefined) {
      entries.push(this.#entry(merge(contact, known.contact), key))
      return {}
    }
    if (entries.length < this.#k) {
      entries.push(this.#entry(merge(contact), key))
      this.#size++
      return { added: contact }
    }
    const waiting = take(replacements, contact.id)
    replacements.push(this.#entry(merge(contact, waiting?.contact), key))
    if (replacements.length > MAX_REPLACEMENTS) replacements.shift()
    const oldest = (entries[0] as Entry).contact
    return this.#suspect(oldest) ? { ping: oldest } : {}
  }

  /** A contact did not answer a query. Gives it back if it is in the table and is to be pinged. */
  suspect(contact: Contact): TableChange {
    const known = this.#find(contact.id, keyOf(contact))?.entry.contact
    return known !== undefined && this.#suspect(known) ? { ping: known } : {}
  }

  /**
   * The outcome of a ping that was asked for. A contact that answered becomes the most recently seen; one that did not
   * gives its place to the newcomer seen last. Does nothing if the contact was seen by other means since.
   */
  pinged(contact: Contact, alive: boolean): TableChange {
    const found = this.#find(contact.id, keyOf(contact))
    if (!this.#suspects.delete(contact.id) || found === undefined) return {}
    const { bucket, entry } = found
    take(bucket.entries, contact.id)
    if (alive) {
      bucket.entries.push(this.#entry(entry.contact, entry.key))
      return {}
    }
    const newcomer = bucket.replacements.pop()
    if (newcomer === undefined) {
      this.#size--
      return { removed: entry.contact }
    }
    const place = bucket.entries.findIndex(({ seen }) => seen > newcomer.seen)
    bucket.entries.splice(place < 0 ? bucket.entries.length : place, 0, newcomer)
    return { removed: entry.contact, added: newcomer.contact }
  }

  /** A ping that was asked for said nothing either way: the contact stays where it is. */
  spare(contact: Contact): void {
    this.#suspects.delete(contact.id)
  }

  /**
   * The `count` contacts nearest to a key, nearest first. Buckets are visited in the order of their distance from
   * `target`: those in whose bit it differs from self, from the farthest down, then the others from the nearest up.
   */
  closest(target: Uint8Array, count = this.#k): Contact[] {
    const result: Contact[] = []
    const visit = (index: number): void => {
      const bucket = this.#buckets[index]
      if (bucket === undefined) return
      const sorted = [...bucket.entries].sort((a, b) => compareDistance(target, a.key, b.key))
      for (const { contact } of sorted.slice(0, count - result.length)) result.push(contact)
    }
    for (let i = BUCKETS - 1; i >= 0 && result.length < count; i--) {
      if (differsAt(this.#self, target, i)) visit(i)
    }
    for (let i = 0; i < BUCKETS && result.length < count; i++) {
      if (!differsAt(this.#self, target, i)) visit(i)
    }
    return result
  }

  #entry(contact: Contact, key: Uint8Array): Entry {
    return { contact, key, seen: ++this.#sightings }
  }

  #suspect({ id }: Contact): boolean {
    if (this.#suspects.has(id)) return false
    this.#suspects.add(id)
    return true
  }

  #find(id: NodeId, key: Uint8Array): { bucket: Bucket; entry: Entry } | undefined {
    const bucket = this.#buckets[this.bucketOf(key)]
    const entry = bucket?.entries.find(({ contact }) => contact.id === id)
    return bucket === undefined || entry === undefined ? undefined : { bucket, entry }
  }
}

function take(entries: Entry[], id: NodeId): Entry | undefined {
  const at = entries.findIndex(({ contact }) => contact.id === id)
  return at < 0 ? undefined : entries.splice(at, 1)[0]
}

/** The latest addresses, then those known before that are not among them, within the bound. */
function merge(latest: Contact, before?: Contact): Contact {
  const { addresses } = Contact.of(latest.id, latest.addresses.slice(0, MAX_ADDRESSES))
  const spelled = new Set(addresses.map(({ host, port }) => `${host} ${String(port)}`))
  const older = before?.addresses.filter(({ host, port }) => !spelled.has(`${host} ${String(port)}`)) ?? []
  if (older.length === 0 && latest.addresses.length <= MAX_ADDRESSES) return latest
  return Contact.of(latest.id, [...addresses, ...older].slice(0, MAX_ADDRESSES))
}
