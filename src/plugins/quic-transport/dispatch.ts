import type { DatagramSocket } from '../../kernel/index.js'
import type { Address } from '../../model/index.js'
import {
  cidKey,
  isLongHeader,
  readLongHeader,
  receptionOf,
  shortHeaderKey,
  versionNegotiation,
  type DropCause,
  type LongHeader
} from './packet.js'

/** Whoever takes the datagrams of a connection. */
export interface DatagramTaker {
  /** False if the datagram was refused. */
  receive(data: Uint8Array, from: Address, socket: DatagramSocket): boolean
}

export interface DispatchOwner {
  /** A client wants a new connection. */
  accept(header: LongHeader, data: Uint8Array, from: Address, socket: DatagramSocket): void
  send(data: Uint8Array, to: Address, socket: DatagramSocket): void
}

/** Leads datagrams to their connections by connection id, whatever the bytes; counts those that are dropped. */
export class Dispatch<Taker extends DatagramTaker> {
  readonly #routes = new Map<string, Taker>()
  readonly #dropped = new Map<string, number>()
  received = 0
  receivedBytes = 0

  constructor(private readonly owner: DispatchOwner) {}

  get dropped(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#dropped)
  }

  /** Connection ids that lead somewhere. */
  get size(): number {
    return this.#routes.size
  }

  route(cid: Uint8Array, taker: Taker): void {
    this.#routes.set(cidKey(cid), taker)
  }

  unroute(cid: Uint8Array): void {
    this.#routes.delete(cidKey(cid))
  }

  /** Whoever takes the datagrams with a destination id. */
  taker(cid: Uint8Array): Taker | undefined {
    return this.#routes.get(cidKey(cid))
  }

  drop(cause: DropCause): void {
    this.#dropped.set(cause, (this.#dropped.get(cause) ?? 0) + 1)
  }

  /** Takes any datagram; never throws. */
  receive(data: Uint8Array, from: Address, socket: DatagramSocket): void {
    this.received++
    this.receivedBytes += data.length
    try {
      const cause = isLongHeader(data) ? this.#receiveLong(data, from, socket) : this.#receiveShort(data, from, socket)
      if (cause !== undefined) this.drop(cause)
    } catch {
      this.drop('internal error')
    }
  }

  #receiveShort(data: Uint8Array, from: Address, socket: DatagramSocket): DropCause | undefined {
    const key = shortHeaderKey(data)
    if (key === undefined) return 'malformed'
    const taker = this.#routes.get(key)
    if (taker === undefined) return 'unknown connection'
    return taker.receive(data, from, socket) ? undefined : 'refused'
  }

  #receiveLong(data: Uint8Array, from: Address, socket: DatagramSocket): DropCause | undefined {
    const header = readLongHeader(data)
    if (header === undefined) return 'malformed'
    const taker = this.#routes.get(cidKey(header.dcid))
    if (taker !== undefined) return taker.receive(data, from, socket) ? undefined : 'refused'
    const reception = receptionOf(header, data.length)
    if (reception === 'accept') this.owner.accept(header, data, from, socket)
    else if (reception === 'negotiate version') {
      this.owner.send(versionNegotiation(header), from, socket)
      return 'unknown version'
    } else return reception
    return undefined
  }
}
