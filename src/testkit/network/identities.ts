import { createHash } from 'node:crypto'
import type { Random } from '../../kernel/index.js'
import { seededRandom } from '../seeded-random.js'

/** 32 bytes that follow from a network's seed and a name, and from nothing else. */
function derive(seed: number, name: string): Buffer {
  return createHash('sha256').update(`peerloom test network ${seed} ${name}`).digest()
}

/** The private key of a node. */
export function keySeed(seed: number, node: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(derive(seed, `key of node ${node}`))
}

/** Chance of its own for each part of a network, so that what one does with it changes nothing for the others. */
export function randomFor(seed: number, part: string): Random {
  return seededRandom(derive(seed, `chance of ${part}`).readUInt32LE(0))
}

/** The IP address of a node's host: 10.0.0.1 for the first. */
export function hostAddress(node: number): string {
  const number = node + 1
  return `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`
}
