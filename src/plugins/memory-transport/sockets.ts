import { KernelError, type DatagramHandler, type DatagramSocket, type Path, type Paths } from '../../kernel/index.js'
import { Address } from '../../model/index.js'

/** Sockets and carriers beside the primary one that connections may go over. */
export const MAX_CARRIED = 256

interface Carried {
  readonly socket: DatagramSocket
  readonly letGo: () => void
}

/** The primary socket and what is carried beside it, found by their own addresses. */
export class Sockets {
  readonly #carried = new Map<string, Carried>()

  constructor(
    readonly primary: DatagramSocket,
    private readonly paths: Paths | undefined,
    private readonly receive: DatagramHandler
  ) {
    this.#carried.set(Address.format(primary.local), { socket: primary, letGo: primary.receive('quic', receive) })
  }

  find(local: Address): DatagramSocket | undefined {
    return this.#carried.get(Address.format(local))?.socket
  }

  /** Sends over a path, as long as its socket is carried. */
  send(data: Uint8Array, { local, remote }: Path): void {
    this.find(local)?.send(data, remote)
  }

  /** Throws `ERR_STATE` if one with its address is carried already, and `ERR_LIMIT`. */
  carry(socket: DatagramSocket): () => void {
    const key = Address.format(socket.local)
    if (this.#carried.has(key)) throw new KernelError('ERR_STATE', `${key} is carried already`)
    if (this.#carried.size > MAX_CARRIED)
      throw new KernelError('ERR_LIMIT', `${MAX_CARRIED} sockets are carried already`)
    const stopListening = this.paths?.listen(socket)
    let stopReceiving: () => void
    try {
      stopReceiving = socket.receive('quic', this.receive)
    } catch (error) {
      stopListening?.()
      throw error
    }
    const letGo = (): void => {
      if (this.#carried.get(key) !== carried) return
      stopReceiving()
      this.#carried.delete(key)
      // Last, since connections look for another path then.
      stopListening?.()
    }
    const carried = { socket, letGo }
    this.#carried.set(key, carried)
    return letGo
  }

  stop(): void {
    for (const { letGo } of [...this.#carried.values()]) letGo()
    this.#carried.clear()
  }
}
