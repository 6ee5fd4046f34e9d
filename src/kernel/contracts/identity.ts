import type { NodeId } from '../../model/index.js'
import { token } from '../token.js'

/** A certificate and its key, in PEM, as TLS libraries take them. */
export interface Certificate {
  /** A self-signed X.509 certificate whose public key is the node id. Exactly one, never a chain. */
  readonly certificatePem: string
  /** The private key in PKCS #8. */
  readonly privateKeyPem: string
  /** End of validity, milliseconds since the Unix epoch. */
  readonly expires: number
}

/**
 * Who this node is: an Ed25519 key pair (RFC 8032). Its public key is the node id.
 *
 * Signing is synchronous, so that virtual time never runs past it.
 */
export interface Identity {
  readonly nodeId: NodeId
  /** A 64-byte signature over `data`. */
  sign(data: Uint8Array): Uint8Array
  /** Whether `signature` over `data` was made by `signer`. Never throws: anything malformed is `false`. */
  verify(signer: NodeId, data: Uint8Array, signature: Uint8Array): boolean
  /**
   * A key of 32 bytes that only this node and the peer know, the same on both sides and another for each purpose; it
   * needs no word between them and does not change. For authenticating messages outside a connection. Throws
   * `ERR_INVALID_INPUT` if the peer's node id is no usable key.
   */
  sharedKey(peer: NodeId, purpose: string): Uint8Array
  /**
   * The certificate for TLS: made when first asked for, and another one, for the same key, when its end comes near. Who
   * serves it asks again now and then (once an hour will do); a certificate in use stays good for its connections.
   * Rejects with `ERR_IDENTITY`.
   */
  certificate(): Promise<Certificate>
}

export const Identity = token<Identity>('Identity')
