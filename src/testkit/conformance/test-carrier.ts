import {
  classifyDatagram,
  type Clock,
  type DatagramClass,
  type DatagramHandler,
  type DatagramSocket,
  type DatagramStats
} from '../../kernel/index.js'
import { Address } from '../../model/index.js'

const NO_STATS: DatagramStats = { sent: 0, sentBytes: 0, received: 0, receivedBytes: 0, sendErrors: 0, dropped: 0 }

let carriers = 0

/** Takers of datagrams by class, for what only looks like a socket. */
abstract class MadeUpSocket implements DatagramSocket {
  abstract readonly local: Address
  abstract readonly families: ReadonlySet<4 | 6>
  readonly stats = NO_STATS
  protected readonly handlers = new Map<DatagramClass, DatagramHandler>()

  abstract send(data: Uint8Array, to: Address): void

  receive(kind: DatagramClass, handler: DatagramHandler): () => void {
    this.handlers.set(kind, handler)
    return () => this.handlers.delete(kind)
  }

  close(): Promise<void> {
    this.handlers.clear()
    return Promise.resolve()
  }

  protected deliver(data: Uint8Array, from: Address): void {
    const kind = classifyDatagram(data)
    if (kind !== undefined) this.handlers.get(kind)?.(data, from, this)
  }
}

/** One end of a carrier between two nodes, with a made-up address: what is sent here arrives there. */
export class TestCarrier extends MadeUpSocket {
  readonly local: Address = { host: `fd00::${(++carriers).toString(16)}`, port: 1 }
  readonly families = new Set([6] as const)
  /** Whether what is sent is lost. */
  isCut = false
  #far!: TestCarrier

  private constructor(private readonly clock: Clock) {
    super()
  }

  static pair(clock: Clock): { near: TestCarrier; far: TestCarrier } {
    const [near, far] = [new TestCarrier(clock), new TestCarrier(clock)]
    near.#far = far
    far.#far = near
    return { near, far }
  }

  cut(): void {
    this.isCut = this.#far.isCut = true
  }

  send(data: Uint8Array, to: Address): void {
    if (this.isCut || !Address.equals(to, this.#far.local)) return
    const copy = Uint8Array.from(data)
    this.clock.setTimeout(() => {
      if (!this.isCut) this.#far.deliver(copy, this.local)
    }, 0)
  }
}

/** A socket behind a NAT that gives it another address now and then, of which it knows nothing. */
export class RebindingSocket extends MadeUpSocket {
  readonly local: Address
  readonly families: ReadonlySet<4 | 6>
  /** The socket that stands for the present mapping. */
  #mapping: DatagramSocket

  constructor(mapping: DatagramSocket) {
    super()
    this.local = mapping.local
    this.families = mapping.families
    this.#mapping = mapping
    this.#take(mapping)
  }

  rebind(mapping: DatagramSocket): void {
    this.#mapping = mapping
    this.#take(mapping)
  }

  send(data: Uint8Array, to: Address): void {
    this.#mapping.send(data, to)
  }

  #take(mapping: DatagramSocket): void {
    for (const kind of ['probe', 'quic'] as const) {
      mapping.receive(kind, (data, from) => {
        if (mapping === this.#mapping) this.deliver(data, from)
      })
    }
  }
}
