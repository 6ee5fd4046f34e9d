import type { PeerloomError } from '../../kernel/index.js'
import {
  messageOf,
  type Datagrams,
  type DatagramSocket,
  type Logger,
  type Paths,
  type TransportStats
} from '../../kernel/index.js'
import { Address, type NodeId } from '../../model/index.js'
import { QuicConnection } from './connection.js'
import { Driver, type DriverHost } from './driver.js'
import type { KeyLog } from './key-log.js'
import type { QuicTransportConfig } from './options.js'
import { MIN_INITIAL_BYTES } from './packet.js'
import type { NativeConnection } from './quiche.js'
import { dialError, Session, type Phase } from './session.js'
import type { Way } from './way.js'
import { Ways } from './ways.js'

/** What differs between the sessions that we begin and those that others do. */
export interface Beginning {
  readonly way: Way
  /** The node that is dialled; `undefined` on the accepting side. */
  readonly expected: NodeId | undefined
  /** @param local our end of the path, in the peer's family */
  connect(local: Address, datagramBytes: number): NativeConnection
  claimsEarly(): boolean
  early(connection: QuicConnection): void
  /** Throws if the peer may not stay. */
  authenticated?(peer: NodeId): void
  succeeded(connection: QuicConnection): void
  failed(error: PeerloomError): void
  /** A connection has ended. */
  ended?(connection: QuicConnection, datagramBytes: number): void
  /** There is no session, or no connection, any more. */
  over?(): void
}

/** What the sessions of an endpoint have in common. */
export interface SessionsParts {
  /** The plugin's name. */
  readonly name: string
  readonly datagrams: Datagrams
  readonly paths?: Paths | undefined
  readonly options: QuicTransportConfig
  readonly log: Logger
  readonly keyLog?: KeyLog | undefined
}

let lastConnection = 0

/** All sessions of an endpoint, from the first packet to the last; counts what becomes of them. */
export class Sessions {
  readonly #sessions = new Set<Session>()
  readonly #count: Record<Phase, number> = { dialling: 0, accepting: 0, live: 0, over: 0 }
  readonly #made = { dialled: 0, accepted: 0 }
  readonly #failed = { dialled: 0, accepted: 0 }

  constructor(
    private readonly parts: SessionsParts,
    private readonly host: DriverHost,
    /** The socket that is carried at an address. */
    private readonly socketAt: (local: Address) => DatagramSocket | undefined
  ) {}

  /** Those that are over count for as long as late packets are answered. */
  get size(): number {
    return this.#sessions.size
  }

  get isFull(): boolean {
    return this.size >= this.parts.options.maxConnections
  }

  get stats(): Pick<TransportStats, 'connections' | 'handshakes' | 'handshakesMade' | 'handshakesFailed'> {
    const { dialling, accepting, live } = this.#count
    return {
      connections: live,
      handshakes: dialling + accepting,
      handshakesMade: { ...this.#made },
      handshakesFailed: { ...this.#failed }
    }
  }

  /** Has the connections that use a socket keep paths, if they have none yet, to look for another one. */
  leave(socket: DatagramSocket): void {
    for (const { driver } of this.#sessions) if (driver.way.socket === socket) driver.ways?.keep()
  }

  /** Ends all when nothing is under way any more; handshakes at once. */
  async drain(code: number, reason: string): Promise<void> {
    await Promise.all(Array.from(this.#sessions, (session) => session.drain(code, reason)))
  }

  /** Forgets all. */
  abandon(): void {
    for (const session of [...this.#sessions]) session.driver.abandon()
  }

  /** Begins a session. What the native library throws becomes the cause of an `ERR_DIAL`, and nothing is left then. */
  begin(beginning: Beginning): Session {
    const { way, expected } = beginning
    const { host } = this
    const local = localFor(way)
    const datagramBytes = this.#datagramBytes(way)
    let native: NativeConnection
    try {
      native = beginning.connect(local, datagramBytes)
    } catch (error) {
      throw dialError(way.remote, messageOf(error), error)
    }
    const session = this.#make(beginning, native, datagramBytes)
    session.driver = new Driver({
      native,
      host,
      owner: session,
      isClient: expected !== undefined,
      local,
      way,
      datagramBytes,
      handshakeTimeoutMs: this.parts.options.handshakeTimeoutMs
    })
    this.#sessions.add(session)
    this.#count[session.phase]++
    return session
  }

  /** The session, still without its driver. */
  #make(beginning: Beginning, native: NativeConnection, datagramBytes: number): Session {
    const { log, keyLog } = this.parts
    const { way, expected } = beginning
    const begun = this.host.clock.monotonic()
    const begunBy = expected === undefined ? 'accepted' : 'dialled'
    let logged = keyLog?.follow(native)
    const session: Session = new Session(way.remote, expected, {
      connect: (peer, early) => this.#connect(session.driver, peer, early),
      claimsEarly: () => beginning.claimsEarly(),
      early: (connection) => {
        beginning.early(connection)
      },
      authenticated: (connection) => {
        const { id, peer } = connection
        beginning.authenticated?.(peer)
        connection.confirm()
        this.#made[begunBy]++
        const ms = Math.round(this.host.clock.monotonic() - begun)
        log.debug(`${id} to ${peer} after ${String(ms)} ms${native.isResumed() ? ' by a ticket' : ''}`)
        beginning.succeeded(connection)
      },
      ended: (connection) => {
        beginning.ended?.(connection, datagramBytes)
      },
      failed: (error) => {
        this.#failed[begunBy]++
        beginning.failed(error)
      },
      moved: (before) => {
        logged?.()
        logged = undefined
        this.#count[before]--
        this.#count[session.phase]++
        if (session.phase === 'over') beginning.over?.()
      },
      gone: () => {
        this.#sessions.delete(session)
        this.#count[session.phase]--
      }
    })
    return session
  }

  #connect(driver: Driver, peer: NodeId, early: boolean): QuicConnection {
    const { name, paths, log, options } = this.parts
    const { clock } = this.host
    const id = `quic-${String(++lastConnection)}`
    const ways = new Ways({ peer, connection: id, driver, clock, keeper: paths, socketAt: this.socketAt })
    driver.ways = ways
    const identity = {
      id,
      peer,
      direction: driver.isClient ? 'outbound' : 'inbound',
      transport: name,
      protocol: Buffer.from(driver.native.applicationProto()).toString(),
      openedAt: clock.monotonic(),
      early
    } as const
    return new QuicConnection(identity, driver, ways, log, options)
  }

  #datagramBytes({ socket, remote }: Way): number {
    const { datagrams, options } = this.parts
    return Math.max(
      MIN_INITIAL_BYTES,
      Math.min(options.maxDatagramBytes, datagrams.maxDatagram(remote), socket.maxDatagramBytes ?? Infinity)
    )
  }
}

/** quiche compares addresses: our end must have the peer's family. */
function localFor({ socket: { local }, remote }: Way): Address {
  if (Address.family(local) === Address.family(remote)) return local
  return { host: Address.family(remote) === 4 ? '0.0.0.0' : '::', port: local.port }
}
