import { NODE_ID_BYTES, NodeId, type Contact } from '../../model/index.js'

/** Buckets of a routing table: one for each bit of a node id. */
export const BUCKETS = NODE_ID_BYTES * 8

const keys = new WeakMap<Contact, Uint8Array>()

/** The bytes of a contact's node id, taken apart once for each contact. */
export function keyOf(contact: Contact): Uint8Array {
  let key = keys.get(contact)
  if (key === undefined) {
    key = NodeId.toBytes(contact.id)
    keys.set(contact, key)
  }
  return key
}

/** The XOR distance of two keys (Kademlia §2.1), as a big-endian number. */
export function distance(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((byte, i) => byte ^ (b[i] as number))
}

/** Negative if `a` is nearer to `target` than `b`, positive if `b` is; 0 only for the same key. */
export function compareDistance(target: Uint8Array, a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < NODE_ID_BYTES; i++) {
    const x = a[i] as number
    const y = b[i] as number
    if (x !== y) return (x ^ (target[i] as number)) - (y ^ (target[i] as number))
  }
  return 0
}

/** Whether two keys are the same. */
export function sameKey(a: Uint8Array, b: Uint8Array): boolean {
  return bucketIndex(a, b) < 0
}

/** The bucket of `other` as seen from `self`: the position of the highest bit that differs, 255 the farthest; −1 for self. */
export function bucketIndex(self: Uint8Array, other: Uint8Array): number {
  for (let i = 0; i < NODE_ID_BYTES; i++) {
    const difference = (self[i] as number) ^ (other[i] as number)
    if (difference !== 0) return BUCKETS - 1 - i * 8 - (Math.clz32(difference) - 24)
  }
  return -1
}

/** Whether two keys differ in the bit that bucket `index` stands for. */
export function differsAt(a: Uint8Array, b: Uint8Array, index: number): boolean {
  const byte = NODE_ID_BYTES - 1 - (index >> 3)
  return ((((a[byte] as number) ^ (b[byte] as number)) >> (index & 7)) & 1) === 1
}

/** A key that falls into bucket `index` of `self`; its lower bits are those of `chance` (32 bytes). */
export function keyInBucket(self: Uint8Array, index: number, chance: Uint8Array): Uint8Array {
  const key = Uint8Array.from(self)
  const byte = NODE_ID_BYTES - 1 - (index >> 3)
  const bit = 1 << (index & 7)
  key.set(chance.subarray(byte + 1), byte + 1)
  const flipped = (self[byte] as number) ^ bit
  key[byte] = (flipped & ~(bit - 1)) | ((chance[byte] as number) & (bit - 1))
  return key
}
