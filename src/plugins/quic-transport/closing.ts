import { CloseCode, type CloseInfo } from '../../kernel/index.js'
import { wireCode, type NativeConnection, type NativeError } from './quiche.js'

/** A close reason is cut to this many bytes, so that it always fits into a packet. */
const MAX_REASON_BYTES = 512
/** How many times as much may be sent to an address as came from it, until it has proved itself (RFC 9000 §8). */
const MAX_AMPLIFICATION = 3
/** The transport error that stands for an application's close before the handshake is done (RFC 9000 §20.1). */
const APPLICATION_ERROR = 0x0c

/** Has quiche close a connection. */
export function closeNative(native: NativeConnection, code: number, reason: string): void {
  const bytes = Buffer.from(reason).subarray(0, MAX_REASON_BYTES)
  if (native.isEstablished()) native.close(true, wireCode(code), bytes)
  else native.close(false, APPLICATION_ERROR, bytes)
}

/** How a connection has ended, according to quiche; `undefined` if it has not. */
export function endOf(native: NativeConnection): CloseInfo | undefined {
  if (!native.isDraining() && !native.isClosed()) return undefined
  const byPeer = native.peerError()
  if (byPeer !== null) return infoOf(byPeer, 'peer')
  const byUs = native.localError()
  if (byUs !== null) return infoOf(byUs, 'us')
  return { code: CloseCode.IDLE, reason: 'the peer has fallen silent', by: 'timeout', transport: false }
}

function infoOf({ isApp, errorCode, reason }: NativeError, by: 'us' | 'peer'): CloseInfo {
  return { code: errorCode, reason: Buffer.from(reason).toString().slice(0, MAX_REASON_BYTES), by, transport: !isApp }
}

/**
 * The packet that told the peer of our close, for when the peer seems to have missed it (RFC 9000 §10.2.1). It is
 * repeated ever more seldom, and never with more than the peer may be sent for what came from it (§8.1).
 */
export class RepeatedClose {
  #received = 0
  #repeatAt = 1
  /** What may be sent for what has come. */
  #bytesLeft = 0

  constructor(readonly packet: Uint8Array) {}

  /** A datagram of `bytes` bytes has come nevertheless. Whether the packet is to be sent again. */
  received(bytes: number): boolean {
    this.#bytesLeft += bytes * MAX_AMPLIFICATION
    if (++this.#received < this.#repeatAt || this.#bytesLeft < this.packet.length) return false
    this.#repeatAt = this.#received * 2
    this.#bytesLeft -= this.packet.length
    return true
  }
}
