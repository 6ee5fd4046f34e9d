import { isIP } from 'node:net'
import { PeerloomError, type Clock, type Datagrams, type DatagramSocket, type Logger } from '../../kernel/index.js'
import { Address } from '../../model/index.js'
import { bind, type BindRequest, type SocketFactory } from './bind.js'
import { OwnAddresses } from './own-addresses.js'
import { Resolver } from './resolve.js'
import { UdpSocket, type SocketOwner } from './socket.js'

/** What every way is taken to carry: Ethernet's 1,500 bytes less IPv6 and UDP (48) and a tunnel such as WireGuard (80). */
const MAX_DATAGRAM_BYTES = 1350
/** What loopback carries; where it carries more, more is no faster. macOS sends no larger ones unless told to. */
const MAX_LOOPBACK_DATAGRAM_BYTES = process.platform === 'darwin' ? 9_000 : 16_000

export interface UdpSettings extends BindRequest {
  /** Throw-away sockets open at once. */
  readonly maxSockets: number
}

export interface UdpSurroundings {
  readonly clock: Clock
  readonly log: Logger
  readonly factory?: SocketFactory
}

/** The UDP sockets of one node: a primary one, and throw-away ones within a limit. */
export class UdpDatagrams implements Datagrams, SocketOwner {
  readonly #throwAway = new Set<UdpSocket>()
  readonly #resolver: Resolver
  #opening = 0
  #stopped = false
  #primary!: UdpSocket
  #addresses!: OwnAddresses

  private constructor(
    private readonly settings: UdpSettings,
    private readonly around: UdpSurroundings
  ) {
    this.#resolver = new Resolver(around.clock)
  }

  /** Opens the primary socket; rejects with `ERR_SOCKET`. */
  static async open(settings: UdpSettings, around: UdpSurroundings): Promise<UdpDatagrams> {
    const datagrams = new UdpDatagrams(settings, around)
    datagrams.#primary = await datagrams.#bind(settings)
    datagrams.#addresses = new OwnAddresses(datagrams.#primary, around.clock)
    return datagrams
  }

  get primary(): DatagramSocket {
    return this.#primary
  }

  get sockets(): readonly DatagramSocket[] {
    return [this.#primary, ...this.#throwAway]
  }

  get addresses(): readonly Address[] {
    return this.#addresses.get()
  }

  maxDatagram(to: Address): number {
    return Address.scope(to) === 'loopback' ? MAX_LOOPBACK_DATAGRAM_BYTES : MAX_DATAGRAM_BYTES
  }

  async open({ host = this.#primary.local.host, port = 0 }: { host?: string; port?: number } = {}) {
    if (this.#stopped) throw new PeerloomError('ERR_SOCKET', 'the UDP sockets of this node are closed')
    if (isIP(host) === 0) throw new PeerloomError('ERR_SOCKET', `not an IP address to bind to: ${host.slice(0, 60)}`)
    if (!Number.isInteger(port) || port < 0 || port > 65535) {
      throw new PeerloomError('ERR_SOCKET', `not a port to bind to: ${port} (expected 0 to 65535)`)
    }
    const { maxSockets } = this.settings
    if (this.#throwAway.size + this.#opening >= maxSockets) {
      throw new PeerloomError('ERR_LIMIT', `${maxSockets} throw-away sockets are open; close one, or raise maxSockets`)
    }
    this.#opening++
    try {
      const socket = await this.#bind({ host, port })
      this.#throwAway.add(socket)
      // Stopped while the socket was being opened: nobody else would close it.
      if (this.#wasStopped()) {
        await socket.close()
        throw new PeerloomError('ERR_SOCKET', 'the UDP sockets of this node were closed meanwhile')
      }
      return socket
    } finally {
      this.#opening--
    }
  }

  resolve(host: string, options?: { signal?: AbortSignal | undefined }): Promise<readonly string[]> {
    return this.#resolver.resolve(host, options)
  }

  /** Closes every socket, the primary one last. */
  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all([...this.#throwAway].map((socket) => socket.close()))
    await this.#primary.close()
  }

  onFault(error: unknown): void {
    this.around.log.error('a receiver of datagrams threw', error)
  }

  onClose(socket: UdpSocket): void {
    this.#throwAway.delete(socket)
  }

  async #bind(request: BindRequest): Promise<UdpSocket> {
    const release = this.around.clock.hold()
    try {
      const { socket, local, families } = await bind(request, this.around.factory)
      return new UdpSocket(socket, local, families, this)
    } finally {
      release()
    }
  }

  /** A method, since the compiler takes a field to be unchanged across an await. */
  #wasStopped(): boolean {
    return this.#stopped
  }
}
