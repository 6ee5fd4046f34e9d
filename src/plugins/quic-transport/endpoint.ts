import {
  abortReason,
  AbortError,
  CloseCode,
  PeerloomError,
  sleep,
  type Certificate,
  type Clock,
  type Connection,
  type DatagramSocket,
  type DialOptions,
  type Transport,
  type TransportStats
} from '../../kernel/index.js'
import { Address, type NodeId } from '../../model/index.js'
import { Acceptor } from './acceptor.js'
import { CarriedSockets } from './carried-sockets.js'
import { Configs } from './configs.js'
import { Dialler } from './dialler.js'
import { Dispatch } from './dispatch.js'
import type { Driver } from './driver.js'
import { Handover, type ConnectionHandler } from './handover.js'
import { Outbox } from './outbox.js'
import type { Quiche } from './quiche.js'
import { RandomPool } from './random-pool.js'
import { dialError } from './session.js'
import { Sessions, type SessionsParts } from './sessions.js'

export interface EndpointParts extends SessionsParts {
  readonly quiche: Quiche
  readonly certificate: Certificate
  readonly clock: Clock
}

/** All QUIC connections, on the primary socket and those that are carried: dials, accepts, and ends them. */
export class Endpoint implements Transport {
  readonly name: string
  readonly #parts: EndpointParts
  readonly #routes: Dispatch<Driver>
  readonly #sockets: CarriedSockets
  readonly #configs: Configs
  readonly #outbox: Outbox
  readonly #sessions: Sessions
  readonly #handover: Handover
  readonly #dialler: Dialler
  readonly #acceptor: Acceptor
  readonly #stopServing: (() => void) | undefined
  #stopping = false

  constructor(parts: EndpointParts) {
    const { name, quiche, datagrams, paths, certificate, options, clock, log } = parts
    this.name = name
    this.#parts = parts
    const random = new RandomPool()
    const routes = (this.#routes = new Dispatch({
      accept: (header, data, from, socket) =>
        this.#stopping ? 'stopping' : this.#acceptor.accept(header, data, { socket, remote: from }),
      // Answers leave from where the question came to.
      send: (data, to, socket) => {
        this.#outbox.send(data, to, socket)
      }
    }))
    const sockets = (this.#sockets = new CarriedSockets(datagrams.primary, (data, from, socket) => {
      routes.receive(data, from, socket)
    }))
    const outbox = (this.#outbox = new Outbox(sockets))
    const configs = (this.#configs = new Configs(quiche, certificate, options, clock))
    const failed = (error: unknown): void => {
      routes.drop('internal error')
      log.error('the QUIC library failed', error)
    }
    const host = { clock, keepAliveMs: options.keepAliveMs, outbox, random, routes, failed }
    const sessions = (this.#sessions = new Sessions(parts, host, (local) => sockets.at(local)))
    const handover = (this.#handover = new Handover(log))
    const sides = { quiche, options, clock, log, configs, sessions, handover, outbox, random, routes }
    this.#dialler = new Dialler(sides)
    this.#acceptor = new Acceptor(sides)
    // The paths of a connection are known to its peer by a tag, which is a connection id.
    this.#stopServing = paths?.serve((tag) => routes.taker(tag)?.ways?.keep())
  }

  async dial(peer: NodeId, address: Address, options: DialOptions = {}): Promise<Connection> {
    const { signal, via } = options
    if (signal?.aborted === true) throw abortReason(signal)
    if (this.#stopping) throw new AbortError('the transport is stopping')
    const family = Address.family(address)
    if (family === undefined) throw dialError(address, 'it is a name; resolve it to an IP address first')
    const socket = via ?? this.#parts.datagrams.primary
    if (!this.#sockets.has(socket)) throw dialError(address, 'the socket to dial from is not carried')
    if (!socket.families.has(family)) {
      throw dialError(address, `the socket does not speak IPv${String(family)}`)
    }
    if (this.#sessions.isFull) {
      throw new PeerloomError('ERR_LIMIT', `there are ${String(this.#sessions.size)} connections already`)
    }
    return this.#dialler.dial(peer, { socket, remote: address }, options)
  }

  get onConnection(): ConnectionHandler | undefined {
    return this.#handover.handler
  }

  set onConnection(handler: ConnectionHandler | undefined) {
    this.#handover.handler = handler
  }

  get onEarly(): ConnectionHandler | undefined {
    return this.#acceptor.onEarly
  }

  set onEarly(handler: ConnectionHandler | undefined) {
    this.#acceptor.onEarly = handler
  }

  /** Uses another certificate of the same node for handshakes that begin from now on; connections stay as they are. */
  useCertificate(certificate: Certificate): void {
    this.#configs.useCertificate(certificate)
  }

  carry(socket: DatagramSocket): () => void {
    if (this.#stopping) throw new AbortError('the transport is stopping')
    this.#sockets.add(socket)
    let stopListening: (() => void) | undefined
    try {
      stopListening = this.#parts.paths?.listen(socket)
    } catch (error) {
      this.#sockets.remove(socket)
      throw error
    }
    return () => {
      if (!this.#sockets.has(socket)) return
      this.#sessions.leave(socket)
      this.#sockets.remove(socket)
      stopListening?.()
    }
  }

  stats(): TransportStats {
    const { sent, sentBytes } = this.#outbox
    const { received, receivedBytes, dropped } = this.#routes
    return { ...this.#sessions.stats, sent, sentBytes, received, receivedBytes, dropped }
  }

  /** Drains and closes every connection, repeats the closes to peers that missed them for a while, and forgets everything. */
  async stop(): Promise<void> {
    this.#stopping = true
    this.#handover.clear()
    const hadConnections = this.#sessions.stats.connections > 0
    await this.#sessions.drain(CloseCode.SHUTDOWN, 'the node is stopping')
    if (hadConnections) await sleep(this.#parts.clock, this.#parts.options.closeLingerMs)
    this.#stopServing?.()
    this.#sockets.clear()
    this.#sessions.abandon()
  }
}
