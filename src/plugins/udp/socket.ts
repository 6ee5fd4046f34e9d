import type { RemoteInfo, Socket } from 'node:dgram'
import {
  classifyDatagram,
  KernelError,
  type DatagramClass,
  type DatagramHandler,
  type DatagramSocket,
  type DatagramStats
} from '../../kernel/index.js'
import type { Address } from '../../model/index.js'
import { DestinationHosts, SourceAddresses } from './peer-addresses.js'

/** Datagrams that may wait for the system at once; more are lost, as they would be in a full network queue. */
const MAX_PENDING_SENDS = 8192

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** What a socket needs from whoever opened it. */
export interface SocketOwner {
  /** A handler threw, which its contract forbids. */
  onFault(error: unknown): void
  /** The socket is closed. */
  onClose(socket: UdpSocket): void
}

/** A bound dgram socket. Classes of datagrams are handed out; whatever goes wrong is counted. */
export class UdpSocket implements DatagramSocket {
  readonly #sources = new SourceAddresses()
  readonly #destinations: DestinationHosts
  readonly #handlers: Record<DatagramClass, DatagramHandler | undefined> = {
    stun: undefined,
    probe: undefined,
    relay: undefined,
    quic: undefined
  }
  readonly #stats: Mutable<DatagramStats> = {
    sent: 0,
    sentBytes: 0,
    received: 0,
    receivedBytes: 0,
    sendErrors: 0,
    dropped: 0
  }
  #pending = 0
  #closed: Promise<void> | undefined

  constructor(
    private readonly socket: Socket,
    readonly local: Address,
    readonly families: ReadonlySet<4 | 6>,
    private readonly owner: SocketOwner
  ) {
    this.#destinations = new DestinationHosts(families)
    socket.on('message', (data, from) => {
      this.#onMessage(data, from)
    })
    // What a socket reports by itself is the echo of an earlier send, such as an unreachable port on Windows.
    socket.on('error', () => {
      this.#stats.sendErrors++
    })
  }

  get stats(): DatagramStats {
    return { ...this.#stats }
  }

  get pendingSends(): number {
    return this.#pending
  }

  send(data: Uint8Array, to: Address): void {
    const host = this.#destinations.of(to.host)
    if (host === undefined || this.#closed !== undefined || this.#pending >= MAX_PENDING_SENDS) {
      this.#stats.sendErrors++
      return
    }
    try {
      this.socket.send(data, to.port, host, this.#onSent)
      this.#pending++
    } catch {
      this.#stats.sendErrors++
    }
  }

  // One function for all sends: without a callback the system's refusals would pass unseen, and this costs 5 %.
  readonly #onSent = (error: Error | null, bytes: number): void => {
    this.#pending--
    if (error !== null) {
      this.#stats.sendErrors++
      return
    }
    this.#stats.sent++
    this.#stats.sentBytes += bytes
  }

  receive(kind: DatagramClass, handler: DatagramHandler): () => void {
    if (this.#handlers[kind] !== undefined) {
      throw new KernelError('ERR_STATE', `the ${kind} datagrams of this socket are already taken`)
    }
    // A function of its own, so that giving back twice cannot give back what another took since.
    const own: DatagramHandler = (data, from, socket) => {
      handler(data, from, socket)
    }
    this.#handlers[kind] = own
    return () => {
      if (this.#handlers[kind] === own) this.#handlers[kind] = undefined
    }
  }

  #onMessage(data: Uint8Array, from: RemoteInfo): void {
    this.#stats.received++
    this.#stats.receivedBytes += data.length
    const kind = classifyDatagram(data)
    const handler = kind === undefined ? undefined : this.#handlers[kind]
    // No answer can be sent to port 0.
    if (handler === undefined || from.port === 0) {
      this.#stats.dropped++
      return
    }
    try {
      handler(data, this.#sources.of(from.address, from.port), this)
    } catch (error) {
      this.owner.onFault(error)
    }
  }

  close(): Promise<void> {
    this.#closed ??= new Promise<void>((resolve) => {
      this.socket.close(() => {
        this.owner.onClose(this)
        resolve()
      })
    })
    return this.#closed
  }
}
