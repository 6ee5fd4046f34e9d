import { CloseCode, messageOf, PeerloomError, type CloseInfo } from '../../kernel/index.js'
import { Address, type NodeId } from '../../model/index.js'
import type { QuicConnection } from './connection.js'
import type { Driver, DriverOwner } from './driver.js'
import { provenNodeId } from './tls.js'

/** Transport errors 0x100–0x1ff are TLS alerts (RFC 9001 §4.8). */
const TLS_ALERT = 0x100
const NO_APPLICATION_PROTOCOL = TLS_ALERT + 120
/** What TLS says when a certificate, or its kind of key, does not suit it (RFC 8446 §6.2). */
const CERTIFICATE_ALERTS: ReadonlySet<number> = new Set([40, 42, 43, 44, 45, 46, 48, 51, 116].map((n) => TLS_ALERT + n))

/** Where a session is: `over` for its user, while late packets are still being answered. */
export type Phase = 'dialling' | 'accepting' | 'live' | 'over'

/** What becomes of a session. */
export interface SessionOwner {
  /** The peer has proved its node id; makes the connection, or throws `ERR_LIMIT` if there are too many. */
  authenticated(peer: NodeId): QuicConnection
  /** There will be no connection. */
  failed(error: PeerloomError): void
  /** The session has moved on from `before`. */
  moved(before: Phase): void
  /** The last trace is gone. */
  gone(): void
}

/**
 * A connection from its first packet to its last: until the peer has proved who it is nothing is delivered to anyone;
 * from then on everything goes to the {@link QuicConnection}.
 */
export class Session implements DriverOwner {
  driver!: Driver
  #phase: Phase
  #connection: QuicConnection | undefined

  /** @param expected the node that was dialled; `undefined` on the accepting side */
  constructor(
    private readonly remote: Address,
    private readonly expected: NodeId | undefined,
    private readonly owner: SessionOwner
  ) {
    this.#phase = expected === undefined ? 'accepting' : 'dialling'
  }

  get phase(): Phase {
    return this.#phase
  }

  established(): void {
    const { native } = this.driver
    // A dialler that refuses us finishes the handshake only to be able to say so.
    const refusal = native.peerError()
    if (refusal?.isApp === true && refusal.errorCode === CloseCode.BAD_PEER) return
    try {
      const peer = provenNodeId(native.peerCertChain())
      if (this.expected !== undefined && peer !== this.expected) {
        throw new PeerloomError(
          'ERR_PEER_MISMATCH',
          `${Address.format(this.remote)} is ${peer}, not ${this.expected}, which was dialled`
        )
      }
      this.#move('live')
      this.#connection = this.owner.authenticated(peer)
    } catch (error) {
      this.#fail(error instanceof PeerloomError ? error : dialError(this.remote, messageOf(error), error))
      if (error instanceof PeerloomError && error.code === 'ERR_LIMIT') {
        this.driver.close(CloseCode.LIMIT, 'too many connections')
      } else this.driver.close(CloseCode.BAD_PEER, 'the certificate does not prove the expected node id')
    }
  }

  arrived(): void {
    this.#connection?.arrived()
  }

  send(): void {
    this.#connection?.send()
  }

  expired(): void {
    this.#fail(dialError(this.remote, 'nothing that speaks QUIC answered in time'))
    this.driver.close(CloseCode.TIMEOUT, 'the handshake took too long')
    this.driver.abandon()
  }

  /** The dialler has lost interest; does nothing once there is a connection. */
  cancel(reason: PeerloomError): void {
    if (this.#phase !== 'dialling' && this.#phase !== 'accepting') return
    this.#fail(reason)
    this.driver.close(CloseCode.CANCELLED, 'the dialler gave up')
    this.driver.abandon()
  }

  ended(info: CloseInfo): void {
    if (this.#connection === undefined) {
      this.#fail(this.#errorOf(info))
      return
    }
    this.#move('over')
    this.#connection.ended(info)
  }

  gone(): void {
    this.owner.gone()
  }

  #fail(error: PeerloomError): void {
    if (this.#phase === 'over') return
    this.#move('over')
    this.owner.failed(error)
  }

  #move(phase: Phase): void {
    const before = this.#phase
    this.#phase = phase
    this.owner.moved(before)
  }

  #errorOf({ code, reason, transport, by }: CloseInfo): PeerloomError {
    const detail = `${reason || 'no reason given'} (code ${String(code)}, by ${by})`
    if (!transport) return dialError(this.remote, `the handshake ended: ${detail}`)
    if (code === NO_APPLICATION_PROTOCOL) return dialError(this.remote, 'it speaks none of our protocols')
    if (CERTIFICATE_ALERTS.has(code)) {
      return new PeerloomError(
        'ERR_PEER_MISMATCH',
        `${Address.format(this.remote)} proves no node id: TLS refused a certificate, ${detail}`
      )
    }
    return dialError(this.remote, `the handshake failed: ${detail}`)
  }
}

/** An address could not be connected to. */
export function dialError(address: Address, why: string, cause?: unknown): PeerloomError {
  return new PeerloomError('ERR_DIAL', `cannot connect to ${Address.format(address)}: ${why}`, { cause })
}
