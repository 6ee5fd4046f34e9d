import {
  ConnectionPaths,
  Path,
  type Clock,
  type ClockTimer,
  type DatagramSocket,
  type Paths,
  type PathUser
} from '../../kernel/index.js'
import { PeerloomError, type NodeId } from '../../model/index.js'

/** How long the peer may take to follow to another path, in milliseconds. */
const FOLLOW_TIMEOUT_MS = 4_000

/** What is settled about a route before it is taken. */
export interface RouteSetup {
  /** The connection's id in this process. */
  readonly id: string
  readonly peer: NodeId
  readonly direction: 'inbound' | 'outbound'
  readonly path: Path
  readonly remoteConnectionId: string
  readonly maxDatagramBytes: number
}

export interface RouteHost {
  readonly clock: Clock
  readonly keeper: Paths | undefined
  socketOf(path: Path): DatagramSocket | undefined
  heardAt(): number
  /** Another path is in use: what is under way on the one before may be lost, and the peer has to hear of it. */
  changed(): void
}

interface Move {
  readonly timer: ClockTimer
  readonly end: (error?: PeerloomError) => void
}

/**
 * The path that a connection takes. The dialler chooses it. The other side follows the latest of its packets to where it
 * came from, as in QUIC (RFC 9000 §9.3), but not before the peer is proved to be there: so a packet that somebody sends
 * on from elsewhere, or repeats, moves nothing.
 */
export class Route implements PathUser {
  readonly shown: ConnectionPaths
  readonly peer: NodeId
  readonly connection: string
  readonly dialler: boolean
  readonly peerTag: Uint8Array
  readonly datagramBytes: number
  #path: Path
  /** The highest serial number of the peer's packets, and the path that it came by. */
  #latest = 0
  #latestPath: Path
  #move: Move | undefined
  /** The path that the peer is being looked for on. */
  #suspected: { readonly path: Path; readonly controller: AbortController } | undefined

  constructor(
    setup: RouteSetup,
    private readonly host: RouteHost
  ) {
    this.peer = setup.peer
    this.connection = setup.id
    this.dialler = setup.direction === 'outbound'
    this.peerTag = Buffer.from(setup.remoteConnectionId, 'hex')
    this.datagramBytes = setup.maxDatagramBytes
    this.#path = this.#latestPath = setup.path
    this.shown = new ConnectionPaths(host.keeper, this)
  }

  get path(): Path {
    return this.#path
  }

  get heardAt(): number {
    return this.host.heardAt()
  }

  /** A packet of the peer's has come; packets that are sent later have higher serial numbers. */
  heard(path: Path, serial: number): void {
    if (serial <= this.#latest) return
    this.#latest = serial
    this.#latestPath = path
    if (Path.equals(path, this.#path)) this.#move?.end()
    else if (!this.dialler) this.#follow(path)
  }

  /** Resolves once the latest packet of the peer has come this way. */
  async move(path: Path): Promise<void> {
    const before = this.#path
    this.#take(path)
    try {
      await new Promise<void>((resolve, reject) => {
        const end: Move['end'] = (error) => {
          this.#move?.timer.clear()
          this.#move = undefined
          if (error === undefined) resolve()
          else reject(error)
        }
        const timeUp = (): void => {
          end(new PeerloomError('ERR_PATH', 'the peer does not follow'))
        }
        this.#move?.end(new PeerloomError('ERR_PATH', 'the connection takes another path'))
        this.#move = { end, timer: this.host.clock.setTimeout(timeUp, FOLLOW_TIMEOUT_MS) }
      })
    } catch (error) {
      this.#take(before)
      throw error
    }
    this.shown.ifKept?.moved(before, 'us')
  }

  end(reason: PeerloomError): void {
    this.#suspected?.controller.abort(reason)
    this.shown.end(reason)
    this.#move?.end(reason)
  }

  #take(path: Path): void {
    this.#path = path
    this.host.changed()
  }

  /** On the accepting side: the peer seems to have moved. */
  #follow(path: Path): void {
    const { kept } = this.shown
    if (kept === undefined) return
    if (kept.paths.some((known) => Path.equals(known, path))) this.#comeAfter(path)
    else if (this.#suspected === undefined || !Path.equals(this.#suspected.path, path)) {
      this.#suspected?.controller.abort()
      const suspected = { path, controller: new AbortController() }
      this.#suspected = suspected
      const done = (): void => {
        if (this.#suspected === suspected) this.#suspected = undefined
      }
      const found = (proved: Path): void => {
        done()
        if (Path.equals(proved, this.#latestPath)) this.#comeAfter(proved)
      }
      const { signal } = suspected.controller
      kept.probe(path.remote, { via: this.host.socketOf(path), signal }).then(found, done)
    }
  }

  #comeAfter(path: Path): void {
    const before = this.#path
    if (Path.equals(path, before)) return
    this.#take(path)
    this.shown.ifKept?.moved(before, 'peer')
  }
}
