import {
  CloseCode,
  ConnectionClosedError,
  Drain,
  type CloseInfo,
  type Connection,
  type ConnectionStats,
  type Draining,
  type Logger,
  type Path,
  type PathChange,
  type ProbeOptions,
  type Stream
} from '../../kernel/index.js'
import type { Observable } from 'rxjs'
import type { Address, NodeId } from '../../model/index.js'
import { Answer } from './answer.js'
import type { Driver } from './driver.js'
import { isAcknowledged } from './in-flight.js'
import { Messages, type MessageOwner } from './messages.js'
import type { QuicTransportConfig } from './options.js'
import type { NativeConnection } from './quiche.js'
import { Streams } from './streams.js'
import type { Ways } from './ways.js'
import { isWorn } from './wear.js'

export interface ConnectionIdentity {
  readonly id: string
  readonly peer: NodeId
  readonly direction: 'inbound' | 'outbound'
  readonly transport: string
  readonly protocol: string
  readonly openedAt: number
  /** The handshake is not done. */
  readonly early: boolean
}

export type ConnectionLimits = Pick<QuicTransportConfig, 'drainMs' | 'idleTimeoutMs' | 'maxQueuedMessages'>

/**
 * A connection to a peer that is known, be it early: how the handshake ends, signs of life, and its own end. What it
 * carries is the work of {@link Streams} and {@link Messages}, where it goes that of {@link Ways}.
 */
export class QuicConnection implements Connection, MessageOwner, Draining {
  readonly id: string
  readonly peer: NodeId
  readonly direction: 'inbound' | 'outbound'
  readonly transport: string
  readonly protocol: string
  readonly openedAt: number
  readonly native: NativeConnection
  readonly #driver: Driver
  readonly #ways: Ways
  readonly #limits: ConnectionLimits
  readonly #streams: Streams
  readonly #messages: Messages
  readonly #closed = new Answer<CloseInfo>()
  #drain: Drain | undefined
  #closeInfo: CloseInfo | undefined
  #early: boolean
  /** Whether the handshake is done in the end. */
  #confirmation: Answer<boolean> | undefined
  /** Whether a sign of life comes. */
  #ping: Answer<boolean> | undefined

  constructor(identity: ConnectionIdentity, driver: Driver, ways: Ways, log: Logger, limits: ConnectionLimits) {
    this.id = identity.id
    this.peer = identity.peer
    this.direction = identity.direction
    this.transport = identity.transport
    this.protocol = identity.protocol
    this.openedAt = identity.openedAt
    this.#early = identity.early
    this.native = driver.native
    this.#driver = driver
    this.#ways = ways
    this.#limits = limits
    this.#streams = new Streams(this, driver, log)
    this.#messages = new Messages(this, limits.maxQueuedMessages)
  }

  get path(): Path {
    return this.#ways.path
  }

  get remote(): Address {
    return this.#driver.way.remote
  }

  get paths(): readonly Path[] {
    return this.#ways.paths.paths
  }

  get paths$(): Observable<PathChange> {
    return this.#ways.paths.paths$
  }

  probe(remote: Address, options?: ProbeOptions): Promise<Path> {
    return this.#ways.paths.probe(remote, options)
  }

  migrate(path: Path, options?: { signal?: AbortSignal | undefined }): Promise<void> {
    return this.#ways.paths.migrate(path, options)
  }

  get closeInfo(): CloseInfo | undefined {
    return this.#closeInfo
  }

  get closed(): Promise<CloseInfo> {
    return this.#closed.given
  }

  open({ signal }: { signal?: AbortSignal | undefined } = {}): Promise<Stream> {
    return this.#streams.open(signal)
  }

  tryOpen(): Stream | undefined {
    return this.#streams.tryOpen()
  }

  get onStream(): ((stream: Stream) => void) | undefined {
    return this.#streams.handler
  }

  set onStream(handler: ((stream: Stream) => void) | undefined) {
    this.#streams.handler = handler
  }

  get early(): boolean {
    return this.#early
  }

  confirmed(): Promise<boolean> {
    if (!this.#early || this.#closeInfo !== undefined) return Promise.resolve(!this.#early)
    this.#confirmation ??= new Answer()
    return this.#confirmation.given
  }

  /** The handshake is done. */
  confirm(): void {
    this.#early = false
    this.#messages.arrived()
    this.#confirmation?.give(true)
  }

  get heardAt(): number {
    return this.#driver.heardAt
  }

  ping(): Promise<boolean> {
    if (this.#closeInfo !== undefined) return Promise.resolve(false)
    if (this.#ping === undefined) {
      this.#ping = new Answer()
      this.#driver.ping()
    }
    return this.#ping.given
  }

  sendMessage(message: Uint8Array): boolean {
    if (this.#streams.failure !== undefined) throw this.#streams.failure
    return this.#messages.send(message)
  }

  get maxMessageBytes(): number {
    return this.#messages.maxBytes
  }

  get onMessage(): ((message: Uint8Array) => void) | undefined {
    return this.#messages.handler
  }

  set onMessage(handler: ((message: Uint8Array) => void) | undefined) {
    this.#messages.handler = handler
  }

  close(code: number = CloseCode.OK, reason = ''): void {
    this.#driver.close(code, reason)
  }

  drain(code: number = CloseCode.OK, reason = ''): Promise<CloseInfo> {
    const { drainMs } = this.#limits
    if (drainMs === 0) this.close(code, reason)
    if (this.#closeInfo === undefined && this.#drain === undefined) {
      const drain = (this.#drain = new Drain(this, this.#driver.clock, { code, reason, drainMs }))
      this.#streams.refuse(drain.refusal)
      drain.look()
    }
    return this.closed
  }

  get isBusy(): boolean {
    return this.#streams.isBusy
  }

  get isAcknowledged(): boolean {
    // What is to be sent counts, too.
    this.#driver.flush()
    const silentMs = this.#driver.clock.monotonic() - this.#driver.heardAt
    return isAcknowledged(this.native, this.#limits.idleTimeoutMs, silentMs)
  }

  stats(): ConnectionStats {
    const { sentBytes, recvBytes, lost, lostBytes, peerInitialMaxStreamsBidi: firstStreams } = this.native.stats()
    const pathsLeft = this.#ways.left
    const streams = this.#streams.stats
    const { ownStreams } = streams
    const { resets } = this.#streams
    const streamsLeft = this.native.peerStreamsLeftBidi()
    const path = this.native.pathStats().find(({ active }) => active)
    return {
      rttMs: path?.rtt ?? 0,
      sentBytes,
      receivedBytes: recvBytes,
      lostPackets: lost,
      pathsLeft,
      worn: isWorn({ pathsLeft, streamsLeft, ownStreams, firstStreams, resets }),
      lostBytes,
      congestionWindowBytes: path?.cwnd ?? 0,
      sentMessages: this.#messages.sent,
      receivedMessages: this.#messages.received,
      droppedMessages: this.#messages.dropped,
      ...streams
    }
  }

  schedule(): void {
    this.#driver.schedule()
  }

  guard(callback: () => void): void {
    this.#streams.guard(callback)
  }

  /** Takes what has arrived to its readers. */
  arrived(): void {
    const { heard } = this.#driver
    if (heard) this.#answerPing(true)
    // Early ones may be a recording that is played again; they wait in quiche.
    if (heard && !this.#early) this.#messages.arrived()
    this.#streams.arrived()
    this.#drain?.look()
  }

  /** Hands quiche what waits to be sent. Returns whether there was anything. */
  send(): boolean {
    const sending = this.#streams.send()
    // Readers that promises woke may have come to an end in this turn.
    this.#drain?.look()
    return sending || this.#messages.pending
  }

  /** The driver says that it is over. */
  ended(info: CloseInfo): void {
    const failure = new ConnectionClosedError(info)
    this.#closeInfo = info
    this.#confirmation?.give(!this.#early)
    this.#drain?.stop()
    this.#answerPing(false)
    this.#messages.clear()
    this.#streams.end(failure, info.by === 'peer')
    this.#ways.end(failure)
    this.#closed.give(info)
  }

  #answerPing(alive: boolean): void {
    this.#ping?.give(alive)
    this.#ping = undefined
  }
}
