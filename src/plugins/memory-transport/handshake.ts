import type { Identity } from '../../kernel/index.js'
import { NodeId } from '../../model/index.js'

/**
 * Both sides of a handshake, as each knows them. The dialler says its half in the hello, the acceptor its own in the
 * welcome together with a signature over everything; the dialler answers with its signature in its first packet. The
 * nonces make each signature good for one handshake only.
 */
export interface Transcript {
  readonly dialler: Party
  readonly acceptor: Party
  /** What the dialler offered, and what the acceptor chose of it. */
  readonly protocols: readonly string[]
  readonly protocol: string
}

export interface Party {
  readonly nodeId: NodeId
  /** Its connection id, in hexadecimal. */
  readonly connectionId: string
  readonly nonce: Uint8Array
}

type Role = 'dialler' | 'acceptor'

/** Proves to the other side that this node is `role` in the handshake. */
export function prove(identity: Identity, role: Role, transcript: Transcript): Uint8Array {
  return identity.sign(signedBytes(role, transcript))
}

/** Whether the signature proves that `role` has the key of the node id that it claims. */
export function isProof(identity: Identity, role: Role, transcript: Transcript, signature: Uint8Array): boolean {
  return identity.verify(transcript[role].nodeId, signedBytes(role, transcript), signature)
}

/** Fixed lengths up to the protocols, which are written as JSON: no two transcripts have the same bytes. */
function signedBytes(role: Role, { dialler, acceptor, protocols, protocol }: Transcript): Uint8Array {
  return Buffer.concat([
    Buffer.from(`peerloom memory-transport 1 ${role}\0`),
    ...[dialler, acceptor].flatMap(({ nodeId, connectionId, nonce }) => [
      NodeId.toBytes(nodeId),
      Buffer.from(connectionId, 'hex'),
      nonce
    ]),
    Buffer.from(JSON.stringify([protocols, protocol]))
  ])
}
