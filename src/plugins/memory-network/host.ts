import { KernelError, silentLogger, type Logger } from '../../kernel/index.js'
import { Address, InvalidInputError } from '../../model/index.js'
import { MemorySocket, type SendDatagram } from './socket.js'

/** Ports given to sockets that ask for none in particular (RFC 6335 §6). */
const EPHEMERAL_PORTS = { first: 49_152, last: 65_535 }

/** A simulated machine with one IP address. Made by `MemoryNetwork.host`. */
export class MemoryHost {
  readonly #sockets = new Map<number, MemorySocket>()
  #nextPort = EPHEMERAL_PORTS.first

  #up = true
  #departures = 0

  constructor(
    readonly address: string,
    private readonly transmit: SendDatagram
  ) {}

  /** False while the host is down: it neither sends nor receives, and its sockets know nothing of it. */
  get up(): boolean {
    return this.#up
  }

  set up(up: boolean) {
    if (this.#up && !up) this.#departures++
    this.#up = up
  }

  /** How often the host has gone down; what was under way to it before never arrives. */
  get departures(): number {
    return this.#departures
  }

  /** Opens a socket. Throws `ERR_SOCKET` if the port is taken, or if port is 0 and none is free. */
  bind(port = 0, { log = silentLogger, onClose }: { log?: Logger; onClose?: () => void } = {}): MemorySocket {
    const chosen = port === 0 ? this.#freePort() : port
    if (!Number.isInteger(chosen) || chosen < 1 || chosen > 65_535) {
      throw new InvalidInputError(`not a port: ${String(port)}`)
    }
    const local = Address.of(this.address, chosen)
    if (this.#sockets.has(chosen)) throw new KernelError('ERR_SOCKET', `${Address.format(local)} is taken`)
    const release = (): void => {
      this.#sockets.delete(chosen)
      onClose?.()
    }
    const socket = new MemorySocket(local, this.transmit, release, log)
    this.#sockets.set(chosen, socket)
    return socket
  }

  /** The socket that listens at a port. */
  socket(port: number): MemorySocket | undefined {
    return this.#sockets.get(port)
  }

  #freePort(): number {
    const { first, last } = EPHEMERAL_PORTS
    for (let tries = first; tries <= last; tries++) {
      const port = this.#nextPort
      this.#nextPort = port === last ? first : port + 1
      if (!this.#sockets.has(port)) return port
    }
    throw new KernelError('ERR_SOCKET', `no port of ${this.address} is free`)
  }
}
