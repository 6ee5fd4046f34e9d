import { classifyDatagram, type DatagramClass, type DatagramHandler, type DatagramSocket } from '#src/kernel/index.js'
import type { Address } from '#src/model/index.js'

/** What a relay would be: moves datagrams between two made-up addresses. */
export class Carrier implements DatagramSocket {
  readonly families: ReadonlySet<4 | 6> = new Set([6])
  readonly maxDatagramBytes: number
  readonly stats = { sent: 0, sentBytes: 0, received: 0, receivedBytes: 0, sendErrors: 0, dropped: 0 }
  readonly #handlers = new Map<DatagramClass, DatagramHandler>()
  /** False: it loses everything. */
  works = true
  largest = 0
  other!: Carrier

  constructor(
    readonly local: Address,
    maxDatagramBytes: number
  ) {
    this.maxDatagramBytes = maxDatagramBytes
  }

  send(data: Uint8Array, to: Address): void {
    this.stats.sent++
    this.largest = Math.max(this.largest, data.length)
    if (!this.works || to.host !== this.other.local.host) return
    const copy = Uint8Array.prototype.slice.call(data)
    setImmediate(() => {
      const kind = classifyDatagram(copy)
      if (kind !== undefined) this.other.#handlers.get(kind)?.(copy, this.local, this.other)
    })
  }

  receive(kind: DatagramClass, handler: DatagramHandler): () => void {
    this.#handlers.set(kind, handler)
    return () => this.#handlers.delete(kind)
  }

  close(): Promise<void> {
    this.works = false
    return Promise.resolve()
  }
}

/** Both ends of a carrier. */
export function carrierPair(maxDatagramBytes = 65_527): [Carrier, Carrier] {
  const ends: [Carrier, Carrier] = [
    new Carrier({ host: 'fd00::1', port: 1 }, maxDatagramBytes),
    new Carrier({ host: 'fd00::2', port: 1 }, maxDatagramBytes)
  ]
  ends[0].other = ends[1]
  ends[1].other = ends[0]
  return ends
}
