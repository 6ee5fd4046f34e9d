import { createHmac, createSecretKey, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Clock } from '../../kernel/index.js'
import type { Address } from '../../model/index.js'
import { CID_BYTES } from './packet.js'

const KEY_BYTES = 32
/** Milliseconds since the key was made, at which the token ends. */
const DUE_BYTES = 6
/** A truncated HMAC-SHA-256 (RFC 2104 §5): nobody can try out 2^128 tokens on a running node. */
const SEAL_BYTES = 16
const PORT_BYTES = 2
/** The longest text of an IP address, zone included. */
const MAX_HOST_BYTES = 64

/**
 * Tokens of Retry packets (RFC 9000 §8.1.2, §8.1.4): who shows one receives what is sent to its address. A token holds
 * all there is to know, so that nothing is kept for an address before: the time at which it ends, the connection id
 * that the client had chosen first, and a seal over these, its address and the connection id that the Retry packet gave
 * it. The key is this process's own.
 */
export class RetryTokens {
  readonly #key = createSecretKey(randomBytes(KEY_BYTES))
  readonly #begun: number
  readonly #sealed = Buffer.allocUnsafeSlow(CID_BYTES + PORT_BYTES + 1 + MAX_HOST_BYTES + DUE_BYTES + CID_BYTES)

  constructor(
    private readonly clock: Clock,
    private readonly lifetimeMs: number
  ) {
    this.#begun = clock.monotonic()
  }

  /** A token for who is at `address`, chose `odcid` for us, and is given `scid` instead, of {@link CID_BYTES} bytes. */
  make(address: Address, odcid: Uint8Array, scid: Uint8Array): Uint8Array {
    const token = Buffer.allocUnsafe(DUE_BYTES + odcid.length + SEAL_BYTES)
    token.writeUIntBE(Math.ceil(this.#now() + this.lifetimeMs), 0, DUE_BYTES)
    token.set(odcid, DUE_BYTES)
    token.set(this.#seal(token.subarray(0, -SEAL_BYTES), address, scid), token.length - SEAL_BYTES)
    return token
  }

  /** The client's first connection id, if the token was made for this address and `scid` and is not too old. */
  open(token: Uint8Array, address: Address, scid: Uint8Array): Uint8Array | 'forged token' | 'late token' {
    const odcidBytes = token.length - DUE_BYTES - SEAL_BYTES
    if (odcidBytes < 0 || odcidBytes > CID_BYTES || scid.length !== CID_BYTES) return 'forged token'
    const seal = this.#seal(token.subarray(0, -SEAL_BYTES), address, scid)
    if (!timingSafeEqual(seal, token.subarray(-SEAL_BYTES))) return 'forged token'
    const bytes = Buffer.from(token.buffer, token.byteOffset, token.length)
    if (bytes.readUIntBE(0, DUE_BYTES) < this.#now()) return 'late token'
    return token.slice(DUE_BYTES, -SEAL_BYTES)
  }

  #now(): number {
    return this.clock.monotonic() - this.#begun
  }

  /** Each part but the last has a known length, so that no two sets of parts are the same bytes. */
  #seal(content: Uint8Array, { host, port }: Address, scid: Uint8Array): Uint8Array {
    const bytes = this.#sealed
    bytes.set(scid)
    let at = bytes.writeUInt16BE(port, CID_BYTES)
    const hostBytes = bytes.write(host, at + 1, MAX_HOST_BYTES, 'latin1')
    at = bytes.writeUInt8(hostBytes, at) + hostBytes
    bytes.set(content, at)
    const mac = createHmac('sha256', this.#key).update(bytes.subarray(0, at + content.length))
    return mac.digest().subarray(0, SEAL_BYTES)
  }
}
