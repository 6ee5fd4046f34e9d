import {
  abortReason,
  AbortError,
  CloseCode,
  messageOf,
  PeerloomError,
  sleep,
  type Certificate,
  type Clock,
  type Connection,
  type DatagramSocket,
  type Datagrams,
  type DialOptions,
  type KeptPaths,
  type Logger,
  type Paths,
  type Transport,
  type TransportStats
} from '../../kernel/index.js'
import { Address, type NodeId } from '../../model/index.js'
import { Admission, type Guest } from './admission.js'
import { CarriedSockets } from './carried-sockets.js'
import { Configs } from './configs.js'
import { QuicConnection } from './connection.js'
import { Dispatch } from './dispatch.js'
import { Driver, type DriverHost } from './driver.js'
import type { KeyLog } from './key-log.js'
import type { QuicTransportConfig } from './options.js'
import {
  CID_BYTES,
  cidKey,
  initialToken,
  MIN_INITIAL_BYTES,
  QUIC_VERSION,
  type DropCause,
  type LongHeader
} from './packet.js'
import type { NativeConnection, Quiche } from './quiche.js'
import { RandomPool } from './random-pool.js'
import { ReplayWindow } from './replay-window.js'
import { RetryTokens } from './retry-token.js'
import { dialError, Session, type Phase } from './session.js'
import { Slab } from './slab.js'
import { Tickets } from './tickets.js'
import type { Way } from './way.js'
import { Ways } from './ways.js'

/** A Retry packet is at most this long: two connection ids, a token and a tag (RFC 9000 §17.2.5). */
const MAX_RETRY_BYTES = 128
/** Retry packets sent in one turn of the event loop: more only come at once when it has too much to do as it is. */
const RETRIES_PER_TURN = 8

let lastConnection = 0

export interface EndpointParts {
  readonly name: string
  readonly quiche: Quiche
  readonly datagrams: Datagrams
  /** Proves and keeps the paths of connections, if such a plugin is there. */
  readonly paths?: Paths | undefined
  readonly certificate: Certificate
  readonly options: QuicTransportConfig
  readonly clock: Clock
  readonly log: Logger
  readonly keyLog?: KeyLog | undefined
}

/** What differs between the sessions that we begin and those that others do. */
interface Beginning {
  readonly way: Way
  readonly expected: NodeId | undefined
  readonly connect: (local: Address, datagramBytes: number) => NativeConnection
  readonly claimsEarly: () => boolean
  readonly early: (connection: QuicConnection) => void
  /** Throws if the peer may not stay. */
  readonly authenticated?: (peer: NodeId) => void
  readonly succeeded: (connection: QuicConnection) => void
  readonly failed: (error: PeerloomError) => void
  /** There is no session, or no connection, any more. */
  readonly over?: () => void
}

/** All QUIC connections, on the primary socket and those that are carried: dials, accepts, and ends them. */
export class Endpoint implements Transport, DriverHost {
  readonly name: string
  readonly clock: Clock
  readonly keepAliveMs: number
  readonly #parts: EndpointParts
  readonly #dispatch: Dispatch<Driver>
  readonly #sockets: CarriedSockets
  readonly #configs: Configs
  readonly #slab = new Slab()
  readonly #random = new RandomPool()
  readonly #sessions = new Set<Session>()
  readonly #count: Record<Phase, number> = { dialling: 0, accepting: 0, live: 0, over: 0 }
  readonly #made = { dialled: 0, accepted: 0 }
  readonly #failed = { dialled: 0, accepted: 0 }
  #sent = 0
  #sentBytes = 0
  readonly #untaken = new Set<Connection>()
  readonly #admission: Admission
  readonly #tokens: RetryTokens
  readonly #tickets: Tickets
  readonly #flights: ReplayWindow
  readonly #stopServing: (() => void) | undefined
  #onConnection: ((connection: Connection) => void) | undefined
  #stopping = false
  #retriesLeft = RETRIES_PER_TURN
  readonly #allowRetries = (): void => {
    this.#retriesLeft = RETRIES_PER_TURN
  }
  onEarly: ((connection: Connection) => void) | undefined

  constructor(parts: EndpointParts) {
    this.#configs = new Configs(parts.quiche, parts.certificate, parts.options, parts.clock)
    this.#tickets = new Tickets(parts.clock, parts.options.maxTickets)
    this.#flights = new ReplayWindow(parts.clock)
    this.name = parts.name
    this.clock = parts.clock
    this.keepAliveMs = parts.options.keepAliveMs
    this.#parts = parts
    this.#admission = new Admission(parts.options, parts.clock)
    this.#tokens = new RetryTokens(parts.clock, parts.options.retryTokenMs)
    this.#dispatch = new Dispatch({
      accept: (header, data, from, socket) => {
        this.#accept(header, data, { socket, remote: from })
      },
      // Answers leave from where the question came to.
      send: (data, to, socket) => {
        this.send(data, to, socket)
      }
    })
    this.#sockets = new CarriedSockets(parts.datagrams.primary, (data, from, socket) => {
      this.#dispatch.receive(data, from, socket)
    })
    this.#stopServing = parts.paths?.serve((tag) => this.#keptPaths(tag))
  }

  async dial(peer: NodeId, address: Address, { signal, via, early }: DialOptions = {}): Promise<Connection> {
    if (signal?.aborted === true) throw abortReason(signal)
    if (this.#stopping) throw new AbortError('the transport is stopping')
    const family = Address.family(address)
    if (family === undefined) throw dialError(address, 'it is a name; resolve it to an IP address first')
    const socket = via ?? this.#parts.datagrams.primary
    if (!this.#sockets.has(socket)) throw dialError(address, 'the socket to dial from is not carried')
    if (!socket.families.has(family)) {
      throw dialError(address, `the socket does not speak IPv${String(family)}`)
    }
    if (this.#sessions.size >= this.#parts.options.maxConnections) {
      throw new PeerloomError('ERR_LIMIT', `there are ${String(this.#sessions.size)} connections already`)
    }
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        session.cancel(abortReason(signal as AbortSignal))
      }
      const session = this.#begin({
        way: { socket, remote: address },
        expected: peer,
        connect: (local, datagramBytes) => {
          const ticket = this.#tickets.take(peer, datagramBytes)
          const config = this.#configs.get(datagramBytes, ticket !== undefined && early !== undefined)
          const scid = this.random(CID_BYTES)
          const native = this.#parts.quiche.Connection.connect(null, scid, local, address, config)
          if (ticket !== undefined) native.setSession(ticket)
          return native
        },
        claimsEarly: () => true,
        early: (connection) => {
          if (early !== undefined) this.#hand(connection, early)
        },
        succeeded: (connection) => {
          signal?.removeEventListener('abort', onAbort)
          resolve(connection)
        },
        failed: (error) => {
          signal?.removeEventListener('abort', onAbort)
          reject(error)
        }
      })
      signal?.addEventListener('abort', onAbort, { once: true })
      session.driver.schedule()
    })
  }

  get onConnection(): ((connection: Connection) => void) | undefined {
    return this.#onConnection
  }

  set onConnection(handler: ((connection: Connection) => void) | undefined) {
    this.#onConnection = handler
    if (handler === undefined) return
    for (const connection of this.#untaken) {
      this.#untaken.delete(connection)
      this.#offer(connection)
    }
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
      // Those that have no paths yet are given them, to look for another one.
      for (const { driver } of this.#sessions) if (driver.way.socket === socket) driver.ways?.keep()
      this.#sockets.remove(socket)
      stopListening?.()
    }
  }

  stats(): TransportStats {
    const { dialling, accepting, live } = this.#count
    const { received, receivedBytes, dropped } = this.#dispatch
    return {
      connections: live,
      handshakes: dialling + accepting,
      handshakesMade: { ...this.#made },
      handshakesFailed: { ...this.#failed },
      sent: this.#sent,
      sentBytes: this.#sentBytes,
      received,
      receivedBytes,
      dropped
    }
  }

  /** Drains and closes every connection, repeats the closes to peers that missed them for a while, and forgets everything. */
  async stop(): Promise<void> {
    this.#stopping = true
    this.#untaken.clear()
    const hadConnections = this.#count.live > 0
    await Promise.all(
      Array.from(this.#sessions, (session) => session.drain(CloseCode.SHUTDOWN, 'the node is stopping'))
    )
    if (hadConnections) await sleep(this.clock, this.#parts.options.closeLingerMs)
    this.#stopServing?.()
    this.#sockets.clear()
    for (const session of [...this.#sessions]) session.driver.abandon()
  }

  beginSending(): void {
    if (this.#sockets.drained) this.#slab.reuse()
  }

  room(bytes: number): Uint8Array {
    return this.#slab.room(bytes)
  }

  sendRoom(bytes: number, to: Address, socket: DatagramSocket): Uint8Array {
    const data = this.#slab.take(bytes)
    this.send(data, to, socket)
    return data
  }

  send(data: Uint8Array, to: Address, socket: DatagramSocket): void {
    this.#sent++
    this.#sentBytes += data.length
    socket.send(data, to)
  }

  random(bytes: number): Uint8Array {
    return this.#random.take(bytes)
  }

  route(cid: Uint8Array, driver: Driver): void {
    this.#dispatch.route(cid, driver)
  }

  unroute(cid: Uint8Array): void {
    this.#dispatch.unroute(cid)
  }

  failed(error: unknown): void {
    this.#dispatch.drop('internal error')
    this.#parts.log.error('the QUIC library failed', error)
  }

  #accept(header: LongHeader, data: Uint8Array, way: Way): void {
    const cause = this.#stopping ? 'stopping' : this.#admit(header, data, way)
    if (cause === undefined) return
    this.#dispatch.drop(cause)
    if (cause === 'unproven address' && this.#retriesLeft > 0) this.#retry(header, way)
  }

  /** Begins the session that a client asks for, or says why there is none. */
  #admit(header: LongHeader, data: Uint8Array, way: Way): DropCause | undefined {
    const from = way.remote
    const token = initialToken(data, header)
    if (token === undefined) return 'malformed'
    const odcid = token.length === 0 ? null : this.#tokens.open(token, from, header.dcid)
    if (typeof odcid === 'string') return odcid
    if (this.#sessions.size >= this.#parts.options.maxConnections) return 'connection limit'
    const proven = odcid !== null
    const verdict = this.#admission.judge(from, proven)
    if (verdict !== 'admit') return verdict
    // Until the client has our answer it uses the id that it chose for us; a copy that comes late is no new client.
    // One that shows a token uses the id that we gave it with that, which stays ours.
    const cid = header.dcid.slice()
    const { driver } = this.#begin({
      way,
      expected: undefined,
      connect: (local, datagramBytes) => {
        const scid = proven ? cid : this.random(CID_BYTES)
        return this.#parts.quiche.Connection.accept(scid, odcid, local, from, this.#configs.get(datagramBytes, true))
      },
      claimsEarly: () => {
        if (this.onEarly === undefined) return false
        if (this.#flights.claim(cidKey(cid))) return true
        this.#dispatch.drop('replay')
        return false
      },
      early: (connection) => {
        if (this.onEarly !== undefined) this.#hand(connection, this.onEarly)
      },
      authenticated: (peer) => {
        this.#judgePeer(guest, peer)
      },
      succeeded: (connection) => {
        this.#offer(connection)
      },
      failed: (error) => {
        this.#parts.log.debug(`a handshake from ${Address.format(from)} failed`, error)
      },
      over: () => {
        this.#admission.leave(guest)
      }
    })
    const guest = this.#admission.enter(from, proven)
    driver.addCid(cid)
    if (driver.receive(data, from, way.socket)) return undefined
    // Not even the first packet was good: nothing is kept.
    driver.dismiss()
    return 'refused'
  }

  /** Asks a client to prove its address, and keeps nothing. */
  #retry({ dcid, scid }: LongHeader, { socket, remote: from }: Way): void {
    if (this.#retriesLeft-- === RETRIES_PER_TURN) setImmediate(this.#allowRetries)
    const ours = this.random(CID_BYTES)
    this.beginSending()
    const room = this.room(MAX_RETRY_BYTES)
    this.sendRoom(
      this.#parts.quiche.retry(scid, dcid, ours, this.#tokens.make(from, dcid, ours), QUIC_VERSION, room),
      from,
      socket
    )
  }

  /** Throws `ERR_LIMIT` if there are enough connections like this one. */
  #judgePeer(guest: Guest, peer: NodeId): void {
    const cause = this.#admission.authenticated(guest, peer)
    if (cause === undefined) return
    this.#dispatch.drop(cause)
    throw new PeerloomError('ERR_LIMIT', `${peer} was turned away: ${cause}`)
  }

  /** Begins a session; throws what the native library throws, and leaves nothing then. */
  #begin(beginning: Beginning): Session {
    const { way, expected, connect, claimsEarly, early, authenticated, succeeded, failed, over } = beginning
    const { remote } = way
    const begun = this.clock.monotonic()
    const { options } = this.#parts
    const datagramBytes = this.#datagramBytes(way)
    const local = localFor(way)
    let native: NativeConnection
    try {
      native = connect(local, datagramBytes)
    } catch (error) {
      throw dialError(remote, messageOf(error), error)
    }
    let logged = this.#parts.keyLog?.follow(native)
    const begunBy = expected === undefined ? 'accepted' : 'dialled'
    const session: Session = new Session(remote, expected, {
      connect: (peer, isEarly) => {
        const id = `quic-${String(++lastConnection)}`
        const ways = (session.driver.ways = this.#waysOf(session.driver, peer, id))
        return new QuicConnection(
          {
            id,
            peer,
            direction: expected === undefined ? 'inbound' : 'outbound',
            transport: this.name,
            protocol: Buffer.from(native.applicationProto()).toString(),
            openedAt: this.clock.monotonic(),
            early: isEarly
          },
          session.driver,
          ways,
          this.#parts.log,
          options
        )
      },
      claimsEarly,
      early,
      authenticated: (connection) => {
        const { id, peer } = connection
        authenticated?.(peer)
        connection.confirm()
        this.#made[begunBy]++
        const how = native.isResumed() ? ' by a ticket' : ''
        this.#parts.log.debug(`${id} to ${peer} after ${String(Math.round(this.clock.monotonic() - begun))} ms${how}`)
        succeeded(connection)
      },
      ended: ({ peer, openedAt }) => {
        const ticket = expected === undefined ? null : native.session()
        if (ticket !== null) this.#tickets.put(peer, datagramBytes, ticket, openedAt)
      },
      failed: (error) => {
        this.#failed[begunBy]++
        failed(error)
      },
      moved: (before) => {
        logged?.()
        logged = undefined
        this.#count[before]--
        this.#count[session.phase]++
        if (session.phase === 'over') over?.()
      },
      gone: () => {
        this.#sessions.delete(session)
        this.#count[session.phase]--
      }
    })
    session.driver = new Driver({
      native,
      host: this,
      owner: session,
      isClient: expected !== undefined,
      local,
      way,
      datagramBytes,
      handshakeTimeoutMs: options.handshakeTimeoutMs
    })
    this.#sessions.add(session)
    this.#count[session.phase]++
    return session
  }

  #waysOf(driver: Driver, peer: NodeId, connection: string): Ways {
    return new Ways({
      peer,
      connection,
      driver,
      clock: this.clock,
      keeper: this.#parts.paths,
      socketAt: (local) => this.#sockets.at(local)
    })
  }

  /** The paths of the connection that is known to its peer by a tag. */
  #keptPaths(tag: Uint8Array): KeptPaths | undefined {
    return this.#dispatch.taker(tag)?.ways?.keep()
  }

  #datagramBytes({ socket, remote }: Way): number {
    const { datagrams, options } = this.#parts
    return Math.max(
      MIN_INITIAL_BYTES,
      Math.min(options.maxDatagramBytes, datagrams.maxDatagram(remote), socket.maxDatagramBytes ?? Infinity)
    )
  }

  #offer(connection: Connection): void {
    const handler = this.#onConnection
    if (handler === undefined) {
      this.#untaken.add(connection)
      void connection.closed.then(() => this.#untaken.delete(connection))
      return
    }
    this.#hand(connection, handler)
  }

  #hand(connection: Connection, handler: (connection: Connection) => void): void {
    try {
      handler(connection)
    } catch (error) {
      this.#parts.log.error('a handler of connections threw', error)
    }
  }
}

/** quiche compares addresses: our end must have the peer's family. */
function localFor({ socket: { local }, remote }: Way): Address {
  if (Address.family(local) === Address.family(remote)) return local
  return { host: Address.family(remote) === 4 ? '0.0.0.0' : '::', port: local.port }
}
