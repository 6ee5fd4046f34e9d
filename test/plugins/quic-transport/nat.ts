import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import type { Address } from '#src/model/index.js'

async function bound(): Promise<Socket> {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return socket
}

const addressOf = (socket: Socket): Address => ({ host: '127.0.0.1', port: socket.address().port })

/**
 * Stands between a node and one address: what the node sends to `inside` goes there from `outside`, a port that changes
 * when the NAT forgets its mapping.
 */
export class Nat {
  readonly #outsides: Socket[] = []
  #node: Address | undefined
  /** Called with what the node sends, before it is sent on; false: it is lost. */
  onDatagram: ((data: Uint8Array) => boolean) | undefined

  private constructor(readonly inner: Socket) {}

  static async before(target: Address): Promise<Nat> {
    const nat = new Nat(await bound())
    nat.inner.on('message', (data, { address, port }) => {
      nat.#node = { host: address, port }
      if (nat.onDatagram?.(data) !== false) nat.#outside.send(data, target.port, target.host)
    })
    await nat.rebind()
    return nat
  }

  get inside(): Address {
    return addressOf(this.inner)
  }

  get outside(): Address {
    return addressOf(this.#outside)
  }

  /** Another port from now on; what is sent to the one before is lost. */
  async rebind(): Promise<void> {
    const socket = await bound()
    socket.on('message', (data) => {
      if (this.#node === undefined || socket !== this.#outside) return
      this.inner.send(data, this.#node.port, this.#node.host)
    })
    this.#outsides.push(socket)
  }

  close(): void {
    this.inner.close()
    for (const socket of this.#outsides) socket.close()
  }

  get #outside(): Socket {
    return this.#outsides.at(-1) as Socket
  }
}
