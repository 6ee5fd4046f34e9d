import { createHash, createPrivateKey, createPublicKey, diffieHellman, hkdfSync, type KeyObject } from 'node:crypto'
import { InvalidInputError, NodeId } from '../../model/index.js'

/** DER around the 32 raw bytes of an X25519 key (RFC 8410 §4 and §7): the whole header is constant. */
const SPKI_HEADER = Buffer.from('302a300506032b656e032100', 'hex')
const PKCS8_HEADER = Buffer.from('302e020100300506032b656e04220420', 'hex')
const KEY_BYTES = 32
/** The prime of Curve25519. */
const P = 2n ** 255n - 19n

/**
 * Keys that two nodes have in common without a word: X25519 (RFC 7748) of both Ed25519 keys, mapped to the Montgomery
 * curve, and HKDF-SHA256 for each purpose. One is derived in about a third of a millisecond.
 */
export class SharedKeys {
  readonly #privateKey: KeyObject

  constructor(
    privateKey: KeyObject,
    private readonly nodeId: NodeId
  ) {
    // What Ed25519 multiplies by is the first half of this hash (RFC 8032 §5.1.5); X25519 clamps it in the same way.
    const seed = privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-KEY_BYTES)
    const scalar = createHash('sha512').update(seed).digest().subarray(0, KEY_BYTES)
    this.#privateKey = createPrivateKey({ key: Buffer.concat([PKCS8_HEADER, scalar]), format: 'der', type: 'pkcs8' })
  }

  /** The key with a peer for one purpose; throws `ERR_INVALID_INPUT` if the node id is no point that can be agreed with. */
  get(peer: NodeId, purpose: string): Uint8Array {
    const key = Buffer.concat([SPKI_HEADER, montgomery(NodeId.toBytes(peer))])
    let secret: Buffer
    try {
      const publicKey = createPublicKey({ key, format: 'der', type: 'spki' })
      secret = diffieHellman({ privateKey: this.#privateKey, publicKey })
    } catch (cause) {
      throw new InvalidInputError(`no key can be agreed on with ${peer}: it is of small order`, { cause })
    }
    const ids = this.nodeId < peer ? [this.nodeId, peer] : [peer, this.nodeId]
    return new Uint8Array(hkdfSync('sha256', secret, ids.join(''), `peerloom ${purpose}`, KEY_BYTES))
  }
}

/** The u coordinate of an Ed25519 public key: (1 + y) / (1 − y) (RFC 7748 §4.1). */
function montgomery(publicKey: Uint8Array): Uint8Array {
  const y = (BigInt(`0x${Buffer.from(publicKey).reverse().toString('hex')}`) % 2n ** 255n) % P
  const u = ((1n + y) * inverse(1n - y + P)) % P
  return Buffer.from(u.toString(16).padStart(2 * KEY_BYTES, '0'), 'hex').reverse()
}

/** By Fermat's little theorem; 0 for 0. */
function inverse(value: bigint): bigint {
  let result = 1n
  let base = value % P
  for (let exponent = P - 2n; exponent > 0n; exponent >>= 1n) {
    if ((exponent & 1n) === 1n) result = (result * base) % P
    base = (base * base) % P
  }
  return result
}
