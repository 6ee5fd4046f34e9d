import type { Observable } from 'rxjs'
import {
  abortReason,
  CloseCode,
  ConnectionClosedError,
  Drain,
  type Clock,
  type ClockTimer,
  type CloseInfo,
  type Connection,
  type ConnectionStats,
  type DatagramSocket,
  type Draining,
  type KeptPaths,
  type Logger,
  type Path,
  type PathChange,
  type Paths,
  type ProbeOptions,
  type Stream
} from '../../kernel/index.js'
import type { Address, NodeId } from '../../model/index.js'
import {
  DATA_PACKET_OVERHEAD,
  decodeFrames,
  encodeFrame,
  encodePacket,
  MESSAGE_PACKET_OVERHEAD,
  SIGNATURE_BYTES,
  STREAM_FRAME_OVERHEAD,
  type Frame,
  type Packet
} from './codec.js'
import { Messages, type MessageHost } from './messages.js'
import { ReceiveWindow, SendWindow, WINDOW_PACKETS, type Outgoing } from './reliability.js'
import { Route } from './route.js'
import { SendOrder } from './send-order.js'
import { StreamTable } from './stream-table.js'
import { wireCode, type MemoryStream, type StreamHost } from './stream.js'

/** An ack that nothing goes with waits this long for something, unless a second packet has come (RFC 9000 §13.2). */
const MAX_ACK_DELAY_MS = 25

/** No control frame is longer: a proof, with its type. */
const MAX_CONTROL_FRAME_BYTES = 1 + SIGNATURE_BYTES

/** What is settled about a connection before it carries anything. */
export interface ConnectionSetup {
  readonly id: string
  readonly peer: NodeId
  readonly direction: 'inbound' | 'outbound'
  readonly transport: string
  readonly protocol: string
  /** The path on which it was made. */
  readonly path: Path
  /** The peer's connection id. */
  readonly remoteConnectionId: string
  readonly maxDatagramBytes: number
  /** Streams of the peer's that may be open at once. */
  readonly maxStreams: number
  /** Streams that the peer lets this side open at first. */
  readonly peerMaxStreams: number
  /** Messages that may wait, either way. */
  readonly maxQueuedMessages: number
  /** How long a drain may take, in milliseconds. */
  readonly drainMs: number
  readonly idleTimeoutMs: number
  readonly keepAliveMs: number
  /** Until when an inbound connection must be proved, in milliseconds from now. */
  readonly handshakeTimeoutMs: number
  /** Milliseconds that the handshake's round trip took, if that is known: what is lost is sent again sooner then. */
  readonly handshakeRttMs?: number | undefined
}

/** What a connection needs of the endpoint that made it. */
export interface ConnectionHost {
  readonly clock: Clock
  readonly log: Logger
  /** Who keeps paths, if anyone does. */
  readonly keeper: Paths | undefined
  send(packet: Packet & { to: string }, bytes: Uint8Array, path: Path): void
  socketOf(path: Path): DatagramSocket | undefined
  /** The dialler's signature has come. False refuses the dialler. */
  checkProof(signature: Uint8Array): boolean
  /** Both sides are proved; called on the accepting side only. */
  accepted(): void
  /** The connection has ended. */
  ended(): void
}

/** One connection: packets in order on one side, streams on the other. */
export class MemoryConnection implements Connection, StreamHost, MessageHost, Draining {
  readonly id: string
  readonly peer: NodeId
  readonly direction: 'inbound' | 'outbound'
  readonly transport: string
  readonly protocol: string
  readonly closed: Promise<CloseInfo>
  readonly connection = this
  /** There are no tickets here. */
  readonly early = false
  openedAt: number

  readonly #out = new SendWindow()
  readonly #in = new ReceiveWindow()
  readonly #frames: Frame[] = []
  readonly #streams: StreamTable
  readonly #senders = new SendOrder()
  readonly #messages: Messages
  readonly #route: Route
  #serial = 0
  #proved: boolean
  /** Until when the peer is owed an ack. */
  #ackDue = Infinity
  /** The peer asks for a sign of life. */
  #pinged = false
  #flushQueued = false
  #timer: { due: number; background: boolean; timer: ClockTimer } | undefined
  readonly #beganAt: number
  #heardAt: number
  /** Since when there is something that the peer has not acked. */
  #askedAt = 0
  /** Whether the keeper of paths has been told that nothing is heard. */
  #doubted = false
  #sentBytes = 0
  #receivedBytes = 0
  #drain: Drain | undefined
  #closeInfo: CloseInfo | undefined
  #resolveClosed!: (info: CloseInfo) => void
  /** A sign of life that is waited for. */
  #ping: { readonly answered: Promise<boolean>; readonly answer: (alive: boolean) => void } | undefined

  constructor(
    private readonly setup: ConnectionSetup,
    private readonly host: ConnectionHost
  ) {
    this.id = setup.id
    this.peer = setup.peer
    this.direction = setup.direction
    this.transport = setup.transport
    this.protocol = setup.protocol
    this.closed = new Promise((resolve) => (this.#resolveClosed = resolve))
    this.#proved = setup.direction === 'outbound'
    this.#messages = new Messages(this, setup.maxQueuedMessages)
    this.#streams = new StreamTable(this, { ...setup, dialler: setup.direction === 'outbound' })
    this.#route = new Route(setup, {
      clock: host.clock,
      keeper: host.keeper,
      socketOf: (path) => host.socketOf(path),
      heardAt: () => this.#heardAt,
      changed: () => {
        this.#onOtherPath()
      }
    })
    this.openedAt = this.#beganAt = this.#heardAt = host.clock.monotonic()
    if (setup.handshakeRttMs !== undefined) this.#out.measured(setup.handshakeRttMs)
    this.#arm()
  }

  get closeInfo(): CloseInfo | undefined {
    return this.#closeInfo
  }

  get path(): Path {
    return this.#route.path
  }

  get remote(): Address {
    return this.#route.path.remote
  }

  get paths(): readonly Path[] {
    return this.#route.shown.paths
  }

  get paths$(): Observable<PathChange> {
    return this.#route.shown.paths$
  }

  /** Its paths, kept from now on; `undefined` if nobody keeps any. */
  keepPaths(): KeptPaths | undefined {
    return this.#route.shown.kept
  }

  probe(remote: Address, options?: ProbeOptions): Promise<Path> {
    return this.#route.shown.probe(remote, options)
  }

  migrate(path: Path, options?: { signal?: AbortSignal | undefined }): Promise<void> {
    return this.#route.shown.migrate(path, options)
  }

  /** True when both sides have proved who they are. */
  get proved(): boolean {
    return this.#proved
  }

  stats(): ConnectionStats {
    return {
      rttMs: this.#out.rttMs,
      sentBytes: this.#sentBytes,
      receivedBytes: this.#receivedBytes,
      lostPackets: this.#out.lost,
      pathsLeft: Infinity,
      worn: false,
      lostBytes: this.#out.lostBytes,
      congestionWindowBytes: WINDOW_PACKETS * this.setup.maxDatagramBytes,
      sentMessages: this.#messages.sent,
      receivedMessages: this.#messages.received,
      droppedMessages: this.#messages.dropped,
      ...this.#streams.counts
    }
  }

  get onStream(): ((stream: Stream) => void) | undefined {
    return this.#streams.onStream
  }

  set onStream(handler) {
    this.#streams.onStream = handler
  }

  tryOpen(): Stream | undefined {
    if (this.#closeInfo !== undefined) throw new ConnectionClosedError(this.#closeInfo)
    if (this.#drain !== undefined) throw this.#drain.refusal
    return this.#streams.tryOpen()
  }

  // An error must reject, not be thrown.
  async open({ signal }: { signal?: AbortSignal | undefined } = {}): Promise<Stream> {
    if (signal?.aborted === true) throw abortReason(signal)
    return this.tryOpen() ?? this.#streams.wait(signal)
  }

  get heardAt(): number {
    return this.#heardAt
  }

  confirmed(): Promise<boolean> {
    return Promise.resolve(true)
  }

  ping(): Promise<boolean> {
    if (this.#closeInfo !== undefined) return Promise.resolve(false)
    if (this.#ping === undefined) {
      let answer!: (alive: boolean) => void
      this.#ping = { answered: new Promise((resolve) => (answer = resolve)), answer }
      this.sendFrame({ type: 'ping' })
    }
    return this.#ping.answered
  }

  sendMessage(message: Uint8Array): boolean {
    if (this.#closeInfo !== undefined) throw new ConnectionClosedError(this.#closeInfo)
    return this.#messages.send(message)
  }

  get maxMessageBytes(): number {
    return this.#closeInfo === undefined ? this.setup.maxDatagramBytes - MESSAGE_PACKET_OVERHEAD : 0
  }

  get onMessage(): ((message: Uint8Array) => void) | undefined {
    return this.#messages.handler
  }

  set onMessage(handler) {
    this.#messages.handler = handler
  }

  close(code: number = CloseCode.OK, reason = ''): void {
    if (this.#closeInfo !== undefined) return
    const packet = { kind: 'close', to: this.setup.remoteConnectionId, code: wireCode(code), reason } as const
    this.#transmit(packet)
    this.#finish({ code: packet.code, reason, by: 'us', transport: false })
  }

  drain(code: number = CloseCode.OK, reason = ''): Promise<CloseInfo> {
    const { drainMs } = this.setup
    if (!this.#proved || drainMs === 0) this.close(code, reason)
    if (this.#closeInfo === undefined && this.#drain === undefined) {
      this.#drain = new Drain(this, this.host.clock, { code, reason, drainMs })
      this.#streams.refuse(this.#drain.refusal)
      // A ping is acked at once, and all that was sent before with it.
      if (!this.isAcknowledged) this.sendFrame({ type: 'ping' })
      this.#drain.look()
    }
    return this.closed
  }

  get isBusy(): boolean {
    return !this.#senders.isEmpty || this.#streams.isBusy
  }

  get isAcknowledged(): boolean {
    return this.#out.isEmpty && this.#frames.length === 0
  }

  /** Takes a packet of the peer's. */
  receive(packet: Extract<Packet, { kind: 'data' | 'close' | 'message' }>, bytes: number, path: Path): void {
    if (this.#closeInfo !== undefined) return
    this.#receivedBytes += bytes
    this.#heardAt = this.host.clock.monotonic()
    if (packet.kind === 'close') {
      this.#finish({ code: packet.code, reason: packet.reason, by: 'peer', transport: false })
      return
    }
    this.#doubted = false
    this.#answerPing(true)
    if (packet.kind === 'message') {
      // It may have overtaken the dialler's proof: nothing is delivered before that.
      if (this.#proved) this.#messages.receive(packet.message)
      else this.#messages.dropped++
      return
    }
    this.#route.heard(path, packet.serial)
    const again = this.#out.ack(packet.ack, packet.number === 0, this.#heardAt)
    if (again === false) {
      this.close(CloseCode.PROTOCOL, 'an ack for what was never sent')
      return
    }
    if (again !== undefined) this.#sendData(again)
    if (packet.number > 0) {
      const expected = packet.number === this.#in.next
      for (const payload of this.#in.accept(packet.number, packet.frames)) this.#receiveFrames(payload)
      // A second packet, or one out of order, is acked at once: the peer may have to send one again. A ping is, too.
      const urgent = !expected || this.#in.hasGap || this.#ackDue !== Infinity || this.#pinged
      this.#pinged = false
      this.#ackDue = this.#heardAt + (urgent ? 0 : MAX_ACK_DELAY_MS)
    }
    this.queueFlush()
  }

  #receiveFrames(payload: Uint8Array): void {
    const frames = decodeFrames(payload)
    if (frames === undefined) this.close(CloseCode.PROTOCOL, 'malformed frames')
    for (const frame of frames ?? []) {
      if (this.closeInfo !== undefined) return
      if (!this.#proved && frame.type !== 'proof') this.close(CloseCode.BAD_PEER, 'the dialler did not prove itself')
      else if (!this.#receiveFrame(frame)) this.close(CloseCode.PROTOCOL, `a ${frame.type} frame that may not be sent`)
    }
  }

  /** False if the frame breaks the protocol. */
  #receiveFrame(frame: Frame): boolean {
    switch (frame.type) {
      case 'proof':
        return this.#receiveProof(frame.signature)
      case 'ping':
        this.#pinged = true
        return true
      case 'streams':
        this.#streams.allow(frame.limit)
        return true
      default:
        return this.#streams.receive(frame)
    }
  }

  #receiveProof(signature: Uint8Array): boolean {
    if (this.#proved) return false
    if (this.host.checkProof(signature)) {
      this.#proved = true
      this.openedAt = this.host.clock.monotonic()
      this.host.accepted()
    } else this.close(CloseCode.BAD_PEER, 'the proof of the node id is wrong')
    return true
  }

  // What streams need.

  wantsToSend(stream: MemoryStream): void {
    this.#senders.add(stream)
    this.queueFlush()
  }

  withdraw(stream: MemoryStream): boolean {
    return this.#senders.delete(stream)
  }

  sendFrame(frame: Frame): void {
    this.#frames.push(frame)
    this.queueFlush()
  }

  retire(stream: MemoryStream): void {
    this.#streams.retire(stream)
    if (this.#drain !== undefined) this.queueFlush()
  }

  call(callback: (() => void) | undefined): void {
    try {
      callback?.()
    } catch (error) {
      this.host.log.error(`connection ${this.id}: a callback threw`, error)
    }
  }

  // Sending.

  queueFlush(): void {
    if (this.#flushQueued || this.#closeInfo !== undefined) return
    this.#flushQueued = true
    queueMicrotask(() => {
      this.#flushQueued = false
      if (this.#closeInfo === undefined) this.#flush()
      this.#drain?.look()
    })
  }

  #flush(): void {
    const now = this.host.clock.monotonic()
    for (let message = this.#messages.take(); message !== undefined; message = this.#messages.take()) {
      this.#transmit({ kind: 'message', to: this.setup.remoteConnectionId, message })
    }
    const drained = new Set<MemoryStream>()
    while (this.#out.hasRoom) {
      const payload = this.#nextPayload(drained)
      if (payload === undefined) break
      if (this.#out.isEmpty) this.#askedAt = now
      this.#sendData(this.#out.add(payload, now))
    }
    if (this.#ackDue <= now) this.#sendData({ number: 0, payload: new Uint8Array(0) })
    this.#arm()
    for (const stream of drained) stream.taken()
  }

  /** As many frames as fit into one packet: control frames first, then one piece of each stream in its order. */
  #nextPayload(drained: Set<MemoryStream>): Uint8Array | undefined {
    const parts: Uint8Array[] = []
    let room = this.setup.maxDatagramBytes - DATA_PACKET_OVERHEAD
    const put = (frame: Frame): void => {
      const bytes = encodeFrame(frame)
      room -= bytes.length
      parts.push(bytes)
    }
    while (room > MAX_CONTROL_FRAME_BYTES) {
      const frame = this.#frames.shift()
      if (frame === undefined) break
      put(frame)
    }
    const senders = this.#senders.next()
    while (room > STREAM_FRAME_OVERHEAD) {
      const stream = senders.next().value
      if (stream === undefined) break
      if (!stream.hasOutput()) continue
      put({ type: 'stream', stream: stream.id, ...stream.take(room - STREAM_FRAME_OVERHEAD) })
      drained.add(stream)
      if (stream.hasOutput()) this.#senders.add(stream)
    }
    return parts.length === 0 ? undefined : Buffer.concat(parts)
  }

  #sendData({ number, payload }: Outgoing): void {
    this.#ackDue = Infinity
    const [to, serial] = [this.setup.remoteConnectionId, ++this.#serial]
    this.#transmit({ kind: 'data', to, serial, ack: this.#in.next, number, frames: payload })
  }

  /** The peer hears of it by whatever comes that way; what was under way on the path before comes once more. */
  #onOtherPath(): void {
    if (this.#closeInfo !== undefined) return
    this.#doubted = false
    const now = this.host.clock.monotonic()
    this.#askedAt = this.#ackDue = now
    for (const packet of this.#out.restart(now)) this.#sendData(packet)
    this.sendFrame({ type: 'ping' })
  }

  #transmit(packet: Packet & { to: string }): void {
    const bytes = encodePacket(packet)
    this.#sentBytes += bytes.length
    this.host.send(packet, bytes, this.#route.path)
  }

  // Time.

  /**
   * Sets the one timer for whatever comes next. A timer that is early anyway is left alone. Virtual time need not go on
   * for a connection on which nothing is under way, hence `background`.
   */
  #arm(): void {
    const { idleTimeoutMs, keepAliveMs, handshakeTimeoutMs } = this.setup
    const idle = this.#proved ? this.#heardAt + idleTimeoutMs : this.#beganAt + handshakeTimeoutMs
    const keepAlive = this.#proved && this.#out.isEmpty ? this.#heardAt + keepAliveMs : Infinity
    const due = Math.min(idle, keepAlive, this.#ackDue, this.#out.deadline ?? Infinity, this.#doubtDue)
    const background = this.#out.isEmpty
    if (this.#timer !== undefined && this.#timer.due <= due && this.#timer.background === background) return
    this.#timer?.timer.clear()
    const delay = due - this.host.clock.monotonic()
    const timer = this.host.clock.setTimeout(
      () => {
        this.#timer = undefined
        this.#onTimer()
      },
      delay,
      { background }
    )
    this.#timer = { due, background, timer }
  }

  /** When an answer is overdue, if the connection could go another way. */
  get #doubtDue(): number {
    if (this.#out.isEmpty || this.#doubted || this.#route.shown.ifKept?.hasOthers !== true) return Infinity
    return Math.max(this.#heardAt, this.#askedAt) + this.#out.patienceMs
  }

  #onTimer(): void {
    const now = this.host.clock.monotonic()
    const { idleTimeoutMs, keepAliveMs, handshakeTimeoutMs } = this.setup
    if (!this.#proved && now >= this.#beganAt + handshakeTimeoutMs) {
      this.close(CloseCode.TIMEOUT, 'the handshake took too long')
      return
    }
    if (this.#proved && now >= this.#heardAt + idleTimeoutMs) {
      this.#finish({ code: CloseCode.IDLE, reason: 'the peer is silent', by: 'timeout', transport: false })
      return
    }
    if (now >= this.#doubtDue) {
      this.#doubted = true
      this.#route.shown.ifKept?.suspect()
    }
    const again = this.#out.expire(now)
    if (again !== undefined) this.#sendData(again)
    if (this.#proved && this.#out.isEmpty && now >= this.#heardAt + keepAliveMs) this.sendFrame({ type: 'ping' })
    else this.#flush()
  }

  #answerPing(alive: boolean): void {
    this.#ping?.answer(alive)
    this.#ping = undefined
  }

  #finish(info: CloseInfo): void {
    this.#closeInfo = info
    this.#drain?.stop()
    this.#answerPing(false)
    this.#timer?.timer.clear()
    this.#timer = undefined
    this.host.ended()
    this.#resolveClosed(info)
    const reason = new ConnectionClosedError(info)
    this.#route.end(reason)
    this.#streams.fail(reason)
    this.#senders.clear()
    this.#messages.clear()
    this.#frames.length = 0
  }
}
