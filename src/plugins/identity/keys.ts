import { createPrivateKey, createPublicKey, sign, verify, type KeyObject } from 'node:crypto'
import { NodeId } from '../../model/index.js'

/** DER around the 32 raw bytes of an Ed25519 key (RFC 8410 §4 and §7): the whole header is constant. */
const SPKI_HEADER = Buffer.from('302a300506032b6570032100', 'hex')
const PKCS8_HEADER = Buffer.from('302e020100300506032b657004220420', 'hex')

/** Length of an Ed25519 private key, its seed (RFC 8032 §5.1.5). */
export const SEED_BYTES = 32

/** The private key that a 32-byte seed stands for. */
export function keyFromSeed(seed: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([PKCS8_HEADER, seed]), format: 'der', type: 'pkcs8' })
}

/** The node id of a private key: its public half. */
export function nodeIdOf(privateKey: KeyObject): NodeId {
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  return NodeId.fromBytes(spki.subarray(SPKI_HEADER.length))
}

/** Public keys that are kept, since taking a node id apart costs more than a signature; the oldest go first. */
const MAX_KNOWN_KEYS = 1_024
const known = new Map<NodeId, KeyObject>()

/** A node id as a public key. */
export function publicKeyOf(id: NodeId): KeyObject {
  let key = known.get(id)
  if (key !== undefined) return key
  key = createPublicKey({ key: Buffer.concat([SPKI_HEADER, NodeId.toBytes(id)]), format: 'der', type: 'spki' })
  if (known.size >= MAX_KNOWN_KEYS) for (const oldest of known.keys()) if (known.delete(oldest)) break
  known.set(id, key)
  return key
}

export function signWith(privateKey: KeyObject, data: Uint8Array): Uint8Array {
  return new Uint8Array(sign(null, data, privateKey))
}

/** Whether `signature` over `data` was made by `signer`; anything malformed is `false`. */
export function verifyBy(signer: NodeId, data: Uint8Array, signature: Uint8Array): boolean {
  try {
    return verify(null, data, publicKeyOf(NodeId.parse(signer)), signature)
  } catch {
    return false
  }
}
