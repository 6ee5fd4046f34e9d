import { createPrivateKey, type KeyObject } from 'node:crypto'
import { keyFromSeed, nodeIdOf, SEED_BYTES } from './keys.js'
import { NodeId } from '../../model/index.js'

/**
 * DER around the two halves of an Ed25519 key as others write it, with the public half (RFC 8410 §10.3, RFC 5958 v2),
 * which OpenSSL 3.0 does not read.
 */
const V2_HEADER = Buffer.from('3051020101300506032b657004220420', 'hex')
const PUBLIC_HEADER = Buffer.from('812100', 'hex')
const V2_BYTES = V2_HEADER.length + SEED_BYTES + PUBLIC_HEADER.length + 32

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \1-----/g

/** Why there is no key in a text. */
export type PemProblem = 'damaged' | 'several' | 'mismatch'

/** The one private key in a text in PEM (RFC 7468), of whatever kind, or why there is none. */
export function parsePrivateKey(text: string): KeyObject | { problem: PemProblem; cause?: unknown } {
  const blocks = [...text.matchAll(BLOCK)]
  if (blocks.length > 1) return { problem: 'several' }
  const [, label, body] = blocks[0] ?? []
  const der = Buffer.from(body ?? '', 'base64')
  if (label === 'PRIVATE KEY' && der.length === V2_BYTES && der.subarray(0, V2_HEADER.length).equals(V2_HEADER)) {
    return parseBothHalves(der)
  }
  try {
    return createPrivateKey({ key: text, format: 'pem' })
  } catch (cause) {
    return { problem: 'damaged', cause }
  }
}

function parseBothHalves(der: Buffer): KeyObject | { problem: PemProblem } {
  const seedEnd = V2_HEADER.length + SEED_BYTES
  const publicStart = seedEnd + PUBLIC_HEADER.length
  if (!der.subarray(seedEnd, publicStart).equals(PUBLIC_HEADER)) return { problem: 'damaged' }
  const key = keyFromSeed(der.subarray(V2_HEADER.length, seedEnd))
  return nodeIdOf(key) === NodeId.fromBytes(der.subarray(publicStart)) ? key : { problem: 'mismatch' }
}
