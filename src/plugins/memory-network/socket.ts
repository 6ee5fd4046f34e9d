import {
  classifyDatagram,
  KernelError,
  type DatagramClass,
  type DatagramHandler,
  type DatagramSocket,
  type DatagramStats,
  type Logger
} from '../../kernel/index.js'
import { Address } from '../../model/index.js'

/** How a socket hands a datagram to the network; false if the network refuses it. */
export type SendDatagram = (data: Uint8Array, from: Address, to: Address) => boolean

/** A socket of a simulated host. */
export class MemorySocket implements DatagramSocket {
  readonly families: ReadonlySet<4 | 6>
  readonly #handlers = new Map<DatagramClass, DatagramHandler>()
  readonly #stats = { sent: 0, sentBytes: 0, received: 0, receivedBytes: 0, sendErrors: 0, dropped: 0 }
  #closed = false

  constructor(
    readonly local: Address,
    private readonly transmit: SendDatagram,
    private readonly onClose: () => void,
    private readonly log: Logger
  ) {
    this.families = new Set([Address.family(local) ?? 4])
  }

  get stats(): DatagramStats {
    return { ...this.#stats }
  }

  send(data: Uint8Array, to: Address): void {
    const family = Address.family(to)
    const possible = !this.#closed && family !== undefined && this.families.has(family)
    if (possible && this.#transmit(data, to)) {
      this.#stats.sent++
      this.#stats.sentBytes += data.length
    } else this.#stats.sendErrors++
  }

  #transmit(data: Uint8Array, to: Address): boolean {
    try {
      return this.transmit(data, this.local, to)
    } catch (error) {
      this.log.error('a link threw, or makes no sense', error)
      return false
    }
  }

  receive(kind: DatagramClass, handler: DatagramHandler): () => void {
    if (this.#closed) throw new KernelError('ERR_STATE', 'the socket is closed')
    if (this.#handlers.has(kind)) throw new KernelError('ERR_STATE', `someone takes the ${kind} datagrams already`)
    this.#handlers.set(kind, handler)
    return () => {
      if (this.#handlers.get(kind) === handler) this.#handlers.delete(kind)
    }
  }

  /** Called by the network when a datagram arrives. */
  deliver(data: Uint8Array, from: Address): void {
    this.#stats.received++
    this.#stats.receivedBytes += data.length
    const kind = classifyDatagram(data)
    const handler = kind === undefined ? undefined : this.#handlers.get(kind)
    if (handler === undefined) {
      this.#stats.dropped++
      return
    }
    try {
      handler(data, from, this)
    } catch (error) {
      this.log.error('a taker of datagrams threw', error)
    }
  }

  close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true
      this.#handlers.clear()
      this.onClose()
    }
    return Promise.resolve()
  }
}
