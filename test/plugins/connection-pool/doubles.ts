import { Contact, NodeId, PeerloomError, type Address } from '#src/model/index.js'
import {
  abortReason,
  createKernel,
  ConnectionPool,
  Datagrams,
  definePlugin,
  Identity,
  Transport,
  type Clock,
  type CloseInfo,
  type Connection,
  type DialOptions,
  type KernelEvent,
  type Logger
} from '#src/kernel/index.js'
import { connectionPool, type ConnectionPoolOptions } from '#src/plugins/connection-pool/index.js'
import { VirtualClock } from '#src/testkit/index.js'

export function nodeId(n: number): NodeId {
  return NodeId.fromBytes(new Uint8Array(32).fill(n))
}

/** What waits as long as anyone is connected: the look at who uses what. */
export const SWEEP = 1

/** The node under test stands between the two others. */
export const self = nodeId(5)
export const smaller = nodeId(2)
export const larger = nodeId(9)

export function contact(peer: NodeId, ...hosts: string[]): Contact {
  return Contact.of(
    peer,
    hosts.map((host) => ({ host, port: 4433 }))
  )
}

/** A connection without a network: it says what it is told to say. */
export class FakeConnection implements Partial<Connection> {
  static #count = 0
  readonly id = `fake-${FakeConnection.#count++}`
  readonly transport = 'fake'
  readonly protocol = 'peerloom/1'
  early = false
  readonly openedAt: number
  heardAt: number
  /** Streams that are open now: the peer's, and our own. */
  streams = 0
  ownStreams = 0
  openedStreams = 0
  acceptedStreams = 0
  sentMessages = 0
  receivedMessages = 0
  worn = false
  /** Whether, and after how many milliseconds, a ping is answered. */
  answersPings = true
  pingMs = 0
  pings = 0
  onStream: Connection['onStream']
  closeInfo: CloseInfo | undefined
  readonly closed: Promise<CloseInfo>
  #resolve!: (info: CloseInfo) => void

  constructor(
    readonly peer: NodeId,
    readonly direction: 'inbound' | 'outbound',
    private readonly clock: Clock,
    readonly remote: Address = { host: '192.0.2.1', port: 1 }
  ) {
    this.openedAt = this.heardAt = clock.monotonic()
    this.closed = new Promise((resolve) => (this.#resolve = resolve))
  }

  close(code = 0, reason = ''): void {
    this.end({ code, reason, by: 'us', transport: false })
  }

  drain(code?: number, reason?: string): Promise<CloseInfo> {
    this.close(code, reason)
    return this.closed
  }

  end(info: CloseInfo): void {
    if (this.closeInfo !== undefined) return
    this.closeInfo = info
    this.#resolve(info)
  }

  ping(): Promise<boolean> {
    this.pings++
    const answered = new Promise<boolean>((resolve) => {
      const answer = (): void => {
        this.heardAt = this.clock.monotonic()
        resolve(true)
      }
      if (!this.answersPings) return
      if (this.pingMs === 0) answer()
      else this.clock.setTimeout(answer, this.pingMs)
    })
    return Promise.race([answered, this.closed.then(() => false)])
  }

  /** We open a stream, and it is over at once. */
  use(): void {
    this.openedStreams++
  }

  stats(): ReturnType<Connection['stats']> {
    const { streams, ownStreams, openedStreams, acceptedStreams, worn } = this
    const counts = { streams: streams + ownStreams, ownStreams, openedStreams, acceptedStreams }
    const lost = { lostPackets: 0, lostBytes: 0, congestionWindowBytes: 0 }
    const { sentMessages, receivedMessages } = this
    const messages = { sentMessages, receivedMessages, droppedMessages: 0 }
    return { rttMs: 0, sentBytes: 0, receivedBytes: 0, pathsLeft: 63, worn, ...lost, ...messages, ...counts }
  }

  get asConnection(): Connection {
    return this as unknown as Connection
  }
}

/**
 * What becomes of a dial: after `ms` it connects or fails; without a plan it is never answered. `early`: there is a
 * ticket, so that an early connection is given to who wants one.
 */
export type Plan = { ms: number; fails?: string; deaf?: boolean; early?: boolean }

/** Settles each dial as planned, by host. */
export class FakeTransport implements Transport {
  readonly name = 'fake'
  onConnection: ((connection: Connection) => void) | undefined
  onEarly: ((connection: Connection) => void) | undefined
  readonly plans = new Map<string, Plan>()
  /** `<host>@<time>` of each dial and `!<host>@<time>` of each that was aborted. */
  readonly log: string[] = []
  readonly made: FakeConnection[] = []
  underWay = 0

  constructor(private readonly clock: Clock) {}

  dial(peer: NodeId, address: Address, options: DialOptions = {}): Promise<Connection> {
    const { signal } = options
    const plan = this.plans.get(address.host)
    this.log.push(`${address.host}@${this.clock.monotonic()}`)
    this.underWay++
    let early: FakeConnection | undefined
    if (plan?.early === true && options.early !== undefined) {
      early = new FakeConnection(peer, 'outbound', this.clock, address)
      early.early = true
      options.early(early.asConnection)
    }
    return new Promise<Connection>((resolve, reject) => {
      const timer =
        plan &&
        this.clock.setTimeout(() => {
          if (plan.fails !== undefined) {
            reject(new PeerloomError(plan.fails, 'as planned'))
            return
          }
          const connection = early ?? new FakeConnection(peer, 'outbound', this.clock, address)
          connection.early = false
          this.made.push(connection)
          resolve(connection.asConnection)
        }, plan.ms)
      signal?.addEventListener('abort', () => {
        this.log.push(`!${address.host}@${this.clock.monotonic()}`)
        if (plan?.deaf === true) return
        timer?.clear()
        reject(abortReason(signal))
      })
    }).finally(() => this.underWay--)
  }

  carry(): () => void {
    return () => undefined
  }

  stats(): ReturnType<Transport['stats']> {
    const none = { dialled: 0, accepted: 0 }
    const traffic = { sent: 0, sentBytes: 0, received: 0, receivedBytes: 0, dropped: {} }
    return { connections: 0, handshakes: this.underWay, handshakesMade: none, handshakesFailed: none, ...traffic }
  }
}

export interface Setting {
  readonly clock: VirtualClock
  readonly transport: FakeTransport
  readonly pool: ConnectionPool
  readonly events: KernelEvent[]
  readonly errors: unknown[]
  /** The peer connects to this node, from 192.0.2.1 unless another host is given. */
  readonly arrive: (peer: NodeId, host?: string) => FakeConnection
  /** The pool as each of its users sees it, by the user's name. */
  readonly views: ReadonlyMap<string, ConnectionPool>
  /** Stops one user and starts another of that name. */
  readonly restartUser: (name: string) => Promise<void>
  readonly stop: () => Promise<void>
}

interface PoolOptions extends ConnectionPoolOptions {
  /** What names resolve to, with the time it takes. */
  readonly names?: Record<string, { ms: number; hosts: string[] }>
  readonly bound?: string
  /** Names of plugins that use the pool. */
  readonly users?: readonly string[]
}

/** A started pool over doubles. */
export async function startPool(options: PoolOptions = {}): Promise<Setting> {
  const { names = {}, bound = '0.0.0.0', users = [], ...config } = options
  const views = new Map<string, ConnectionPool>()
  const userPlugin = (name: string) =>
    definePlugin({
      name,
      needs: { pool: ConnectionPool },
      start({ pool }) {
        views.set(name, pool)
      }
    })
  const clock = new VirtualClock()
  const transport = new FakeTransport(clock)
  const errors: unknown[] = []
  const doubles = definePlugin({
    name: 'doubles',
    provides: { transport: Transport, datagrams: Datagrams, identity: Identity },
    start: () => ({
      transport,
      datagrams: {
        primary: { local: { host: bound, port: 4433 } },
        resolve: (host: string) =>
          new Promise<string[]>((resolve, reject) => {
            const entry = names[host] ?? { ms: 30, hosts: [] }
            clock.setTimeout(() => {
              if (entry.hosts.length > 0) resolve(entry.hosts)
              else reject(new PeerloomError('ERR_RESOLVE', `no such name: ${host}`))
            }, entry.ms)
          })
      } as unknown as Datagrams,
      identity: { nodeId: self } as unknown as Identity
    })
  })
  const ignore = (): void => undefined
  const log: Logger = { debug: ignore, info: ignore, warn: ignore, error: (...all) => errors.push(all) }
  const kernel = createKernel({ plugins: [doubles, connectionPool.with(config), ...users.map(userPlugin)], clock, log })
  const events: KernelEvent[] = []
  kernel.events.subscribe((event) => events.push(event))
  await clock.until(kernel.start())
  return {
    clock,
    transport,
    pool: kernel.resolve(ConnectionPool),
    events,
    errors,
    views,
    restartUser: (name) => clock.until(kernel.replace(userPlugin(name))),
    arrive(peer, host) {
      const connection = new FakeConnection(peer, 'inbound', clock, host === undefined ? undefined : { host, port: 1 })
      transport.onConnection?.(connection.asConnection)
      return connection
    },
    stop: () => clock.until(kernel.stop())
  }
}
