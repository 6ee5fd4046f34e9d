import type { DatagramSocket } from '../../kernel/index.js'
import type { Address } from '../../model/index.js'
import type { CarriedSockets } from './carried-sockets.js'
import { Slab } from './slab.js'

/** Sends an endpoint's datagrams and counts them. Those of a flush are written into memory that is used again and again. */
export class Outbox {
  sent = 0
  sentBytes = 0
  readonly #slab = new Slab()

  constructor(private readonly sockets: CarriedSockets) {}

  /** Comes before the rooms and sends of a flush. */
  begin(): void {
    if (this.sockets.drained) this.#slab.reuse()
  }

  /** Memory for one datagram, the same until some of it is sent. */
  room(bytes: number): Uint8Array {
    return this.#slab.room(bytes)
  }

  /** Sends the first `bytes` of the room that was given last, and returns them, for use until the next flush. */
  sendRoom(bytes: number, to: Address, socket: DatagramSocket): Uint8Array {
    const data = this.#slab.take(bytes)
    this.send(data, to, socket)
    return data
  }

  send(data: Uint8Array, to: Address, socket: DatagramSocket): void {
    this.sent++
    this.sentBytes += data.length
    socket.send(data, to)
  }
}
