import { PeerloomError, type DatagramHandler, type DatagramSocket } from '../../kernel/index.js'
import { Address } from '../../model/index.js'

/** Sockets and carriers beside the primary socket that a transport may carry at a time. */
export const MAX_CARRIED = 64

/** The sockets that connections are made over: the primary one, and further ones that come and go. */
export class CarriedSockets {
  readonly #letGo = new Map<DatagramSocket, () => void>()

  constructor(
    private readonly primary: DatagramSocket,
    private readonly handler: DatagramHandler
  ) {
    this.#receiveFrom(primary)
  }

  /** Takes datagrams of a further socket until `remove`. Throws `ERR_STATE` for one that is carried, and `ERR_LIMIT`. */
  add(socket: DatagramSocket): void {
    if (this.at(socket.local) !== undefined) {
      throw new PeerloomError('ERR_STATE', `a socket at ${Address.format(socket.local)} is carried already`)
    }
    if (this.#letGo.size > MAX_CARRIED) {
      throw new PeerloomError('ERR_LIMIT', `${String(MAX_CARRIED)} further sockets are carried already`)
    }
    this.#receiveFrom(socket)
  }

  remove(socket: DatagramSocket): void {
    this.#letGo.get(socket)?.()
    this.#letGo.delete(socket)
  }

  has(socket: DatagramSocket): boolean {
    return this.#letGo.has(socket)
  }

  /** The socket that is bound to an address. */
  at(local: Address): DatagramSocket | undefined {
    for (const socket of this.#letGo.keys()) if (Address.equals(socket.local, local)) return socket
    return undefined
  }

  /** Nothing that was sent may still be read. */
  get drained(): boolean {
    if (this.#letGo.size === 1) return this.primary.pendingSends === 0
    for (const { pendingSends } of this.#letGo.keys()) if (pendingSends !== 0) return false
    return true
  }

  /** Lets go of all. */
  clear(): void {
    for (const socket of [...this.#letGo.keys()]) this.remove(socket)
  }

  #receiveFrom(socket: DatagramSocket): void {
    // Who wraps a socket may tell of the inner one.
    const letGo = socket.receive('quic', (data, from) => {
      this.handler(data, from, socket)
    })
    this.#letGo.set(socket, letGo)
  }
}
