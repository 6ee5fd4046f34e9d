import { createPrivateKey, createPublicKey, sign, verify, type KeyObject } from 'node:crypto'
import type { Identity } from '#src/kernel/index.js'
import { NodeId } from '#src/model/index.js'

// RFC 8410: an Ed25519 private key in PKCS #8, and a public one in SPKI, are these bytes and the raw key.
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex')
const SPKI = Buffer.from('302a300506032b6570032100', 'hex')

/** An identity whose key is made of one repeated byte: the same one in every run. */
export function testIdentity(seed: number): Identity {
  const key = createPrivateKey({ key: Buffer.concat([PKCS8, Buffer.alloc(32, seed)]), format: 'der', type: 'pkcs8' })
  return {
    nodeId: nodeIdOf(key),
    sign: (data) => sign(null, data, key),
    verify: (signer, data, signature) => {
      const der = Buffer.concat([SPKI, NodeId.toBytes(signer)])
      try {
        return verify(null, data, createPublicKey({ key: der, format: 'der', type: 'spki' }), signature)
      } catch {
        return false
      }
    },
    sharedKey: () => new Uint8Array(32),
    certificate: () => Promise.reject(new Error('not here'))
  }
}

function nodeIdOf(key: KeyObject): NodeId {
  return NodeId.fromBytes(createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32))
}
