import type { Address } from '../../model/index.js'
import { token } from '../token.js'

/**
 * Whom a datagram is for, told by its first byte (RFC 9443): 0x00–0x03 STUN, 0x20–0x2f our probes, 0x30–0x3f relayed
 * datagrams, 0x40–0xff QUIC (its fixed bit, or a long header of another version). Anything else is dropped and counted.
 */
export type DatagramClass = 'stun' | 'probe' | 'relay' | 'quic'

/** The class of a datagram, or `undefined` for one that is for nobody. */
export function classifyDatagram(data: Uint8Array): DatagramClass | undefined {
  const first = data[0]
  if (first === undefined) return undefined
  if (first >= 0x40) return 'quic'
  if (first <= 0x03) return 'stun'
  if (first >= 0x30) return 'relay'
  return first >= 0x20 ? 'probe' : undefined
}

/** Called for each datagram. `data` belongs to the receiver; `from` is canonical. Must not throw. */
export type DatagramHandler = (data: Uint8Array, from: Address, socket: DatagramSocket) => void

/** What a socket has done since it was opened, in datagrams and bytes. */
export interface DatagramStats {
  readonly sent: number
  readonly sentBytes: number
  readonly received: number
  readonly receivedBytes: number
  /** Sends that the system refused: unreachable network, no buffer, too large. */
  readonly sendErrors: number
  /** Received datagrams of no known class, or of a class that nobody asked for. */
  readonly dropped: number
}

/** One bound UDP socket. */
export interface DatagramSocket {
  /** Where it is bound; `host` is `0.0.0.0` or `::` if it listens everywhere. */
  readonly local: Address
  /** The largest datagram, in bytes, that it carries, where that is less than what the way to an address does. */
  readonly maxDatagramBytes?: number
  /** IP families that it can send to: a dual-stack socket has both. */
  readonly families: ReadonlySet<4 | 6>
  /**
   * Sends one datagram to an IP address, best effort: like the network itself it may lose it silently (counted in
   * `stats`). Never throws. `data` must not be changed afterwards.
   */
  send(data: Uint8Array, to: Address): void
  /**
   * Sends whose data may still be read. Where it is told, the memory of all that was sent may be used again once it
   * is 0; where it is not, never.
   */
  readonly pendingSends?: number
  /** Takes the datagrams of one class from this socket; a second taker of a class throws `ERR_STATE`. */
  receive(kind: DatagramClass, handler: DatagramHandler): () => void
  readonly stats: DatagramStats
  /** Closes the socket. The primary one is closed by its plugin. */
  close(): Promise<void>
}

/**
 * The UDP sockets of this node. Listening and dialling share the primary one, since a NAT's mapping belongs to the
 * port that is dialled from.
 */
export interface Datagrams {
  readonly primary: DatagramSocket
  /** Every open socket, the primary one first. */
  readonly sockets: readonly DatagramSocket[]
  /**
   * Addresses of this machine at which the primary socket listens: the bound one, or one for each network interface
   * if it is bound to all. Global ones first, loopback last.
   */
  readonly addresses: readonly Address[]
  /** The largest datagram, in bytes, that the way to `to` is known to carry. At least 1,200 (RFC 9000 §14). */
  maxDatagram(to: Address): number
  /** A further, throw-away socket; rejects with `ERR_SOCKET`, or `ERR_LIMIT` when too many are open. */
  open(options?: { host?: string; port?: number }): Promise<DatagramSocket>
  /**
   * The IP addresses of a DNS name, as this node's network resolves it; an IP address resolves to itself. Rejects with
   * `ERR_RESOLVE`.
   */
  resolve(host: string, options?: { signal?: AbortSignal | undefined }): Promise<readonly string[]>
}

export const Datagrams = token<Datagrams>('Datagrams')
