import { createHash } from 'node:crypto'
import { Address, Contact, NodeId } from '#src/model/index.js'
import { compareDistance, keyOf } from '#src/plugins/kademlia/distance.js'

/** The n-th of an endless row of node ids that look random and never change. */
export function key(n: number | string): Uint8Array {
  return Uint8Array.from(createHash('sha256').update(`node ${n}`).digest())
}

export function contact(n: number, ...addresses: string[]): Contact {
  const texts = addresses.length > 0 ? addresses : [`10.${n >> 16}.${(n >> 8) & 255}.${n & 255}:4433`]
  return Contact.of(NodeId.fromBytes(key(n)), texts.map(Address.parse))
}

/** All contacts by distance: what `closest` must agree with. */
export function byDistance(target: Uint8Array, contacts: Iterable<Contact>): Contact[] {
  return [...contacts].sort((a, b) => compareDistance(target, keyOf(a), keyOf(b)))
}

export const ids = (contacts: Iterable<Contact>): NodeId[] => [...contacts].map(({ id }) => id)

/** Repeatable chance (mulberry32), so that a failure comes back. */
export function seeded(seed: number): {
  float(): number
  int(below: number): number
  bytes(length: number): Uint8Array
} {
  let state = seed >>> 0
  const float = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let x = Math.imul(state ^ (state >>> 15), state | 1)
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61)
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32
  }
  const int = (below: number): number => Math.floor(float() * below)
  return { float, int, bytes: (length) => Uint8Array.from({ length }, () => int(256)) }
}
