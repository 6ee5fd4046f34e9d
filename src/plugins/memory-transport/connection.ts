import {
  abortReason,
  CloseCode,
  ConnectionClosedError,
  PeerloomError,
  type Clock,
  type ClockTimer,
  type CloseInfo,
  type Connection,
  type ConnectionStats,
  type Logger,
  type Stream
} from '../../kernel/index.js'
import type { Address, NodeId } from '../../model/index.js'
import {
  DATA_PACKET_OVERHEAD,
  decodeFrames,
  encodeFrame,
  encodePacket,
  SIGNATURE_BYTES,
  STREAM_FRAME_OVERHEAD,
  type Frame,
  type Packet
} from './codec.js'
import { ReceiveWindow, SendWindow, type Outgoing } from './reliability.js'
import { MemoryStream, wireCode, type StreamHost } from './stream.js'

/** Calls of `open` that may wait for the peer to allow more streams. */
export const MAX_WAITING_OPENS = 4_096

/** No control frame is longer: a proof, with its type. */
const MAX_CONTROL_FRAME_BYTES = 1 + SIGNATURE_BYTES

/** What is settled about a connection before it carries anything. */
export interface ConnectionSetup {
  readonly id: string
  readonly peer: NodeId
  readonly direction: 'inbound' | 'outbound'
  readonly transport: string
  readonly protocol: string
  readonly remote: Address
  /** The peer's connection id. */
  readonly remoteConnectionId: string
  readonly maxDatagramBytes: number
  /** Streams of the peer's that may be open at once. */
  readonly maxStreams: number
  /** Streams that the peer lets this side open at first. */
  readonly peerMaxStreams: number
  readonly idleTimeoutMs: number
  readonly keepAliveMs: number
  /** Until when an inbound connection must be proved, in milliseconds from now. */
  readonly handshakeTimeoutMs: number
}

/** What a connection needs of the endpoint that made it. */
export interface ConnectionHost {
  readonly clock: Clock
  readonly log: Logger
  send(packet: Packet & { to: string }, bytes: Uint8Array): void
  /** The dialler's signature has come. False refuses the dialler. */
  checkProof(signature: Uint8Array): boolean
  /** Both sides are proved; called on the accepting side only. */
  accepted(): void
  /** The connection has ended. */
  ended(): void
}

interface WaitingOpen {
  readonly resolve: (stream: Stream) => void
  readonly reject: (error: PeerloomError) => void
}

/** One connection: packets in order on one side, streams on the other. */
export class MemoryConnection implements Connection, StreamHost {
  readonly id: string
  readonly peer: NodeId
  readonly direction: 'inbound' | 'outbound'
  readonly transport: string
  readonly protocol: string
  readonly remote: Address
  readonly closed: Promise<CloseInfo>
  readonly connection = this
  openedAt: number

  readonly #out = new SendWindow()
  readonly #in = new ReceiveWindow()
  readonly #frames: Frame[] = []
  readonly #streams = new Map<number, MemoryStream>()
  readonly #senders = new Set<MemoryStream>()
  /** Streams of the peer that its own numbering has passed over, and that it may still use (RFC 9000 §3.2). */
  readonly #unseen = new Set<number>()
  readonly #arrivals: Stream[] = []
  readonly #opens = new Set<WaitingOpen>()
  #opened = 0
  #mayOpen: number
  #peerOpened = 0
  #peerMayOpen: number
  #onStream: ((stream: Stream) => void) | undefined
  #proved: boolean
  #ackOwed = false
  #flushQueued = false
  #timer: { due: number; background: boolean; timer: ClockTimer } | undefined
  readonly #beganAt: number
  #heardAt: number
  #sentBytes = 0
  #receivedBytes = 0
  #closeInfo: CloseInfo | undefined
  #resolveClosed!: (info: CloseInfo) => void

  constructor(
    private readonly setup: ConnectionSetup,
    private readonly host: ConnectionHost
  ) {
    this.id = setup.id
    this.peer = setup.peer
    this.direction = setup.direction
    this.transport = setup.transport
    this.protocol = setup.protocol
    this.remote = setup.remote
    this.closed = new Promise((resolve) => (this.#resolveClosed = resolve))
    this.#proved = setup.direction === 'outbound'
    this.#mayOpen = setup.peerMaxStreams
    this.#peerMayOpen = setup.maxStreams
    this.openedAt = this.#beganAt = this.#heardAt = host.clock.monotonic()
    this.#arm()
  }

  get closeInfo(): CloseInfo | undefined {
    return this.#closeInfo
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
      streams: this.#streams.size
    }
  }

  get onStream(): ((stream: Stream) => void) | undefined {
    return this.#onStream
  }

  set onStream(handler) {
    this.#onStream = handler
    queueMicrotask(() => {
      this.#handOver()
    })
  }

  tryOpen(): Stream | undefined {
    this.#checkOpen()
    if (this.#opened >= this.#mayOpen) return undefined
    const stream = new MemoryStream(this.#opened++ * 4 + (this.direction === 'outbound' ? 0 : 1), this)
    this.#streams.set(stream.id, stream)
    return stream
  }

  // An error must reject, not be thrown.
  async open({ signal }: { signal?: AbortSignal | undefined } = {}): Promise<Stream> {
    if (signal?.aborted === true) throw abortReason(signal)
    const stream = this.tryOpen()
    if (stream !== undefined) return stream
    if (this.#opens.size >= MAX_WAITING_OPENS) {
      throw new PeerloomError('ERR_LIMIT', `${MAX_WAITING_OPENS} streams are waited for already`)
    }
    let onAbort: (() => void) | undefined
    const waiting = new Promise<Stream>((resolve, reject) => {
      const entry = { resolve, reject }
      this.#opens.add(entry)
      onAbort = () => {
        if (this.#opens.delete(entry)) reject(abortReason(signal as AbortSignal))
      }
      signal?.addEventListener('abort', onAbort, { once: true })
    })
    try {
      return await waiting
    } finally {
      if (onAbort !== undefined) signal?.removeEventListener('abort', onAbort)
    }
  }

  close(code: number = CloseCode.OK, reason = ''): void {
    if (this.#closeInfo !== undefined) return
    const packet = { kind: 'close', to: this.setup.remoteConnectionId, code: wireCode(code), reason } as const
    this.#transmit(packet)
    this.#finish({ code: packet.code, reason, by: 'us', transport: false })
  }

  /** Takes a packet of the peer's. */
  receive(packet: Extract<Packet, { kind: 'data' | 'close' }>, bytes: number): void {
    if (this.#closeInfo !== undefined) return
    this.#receivedBytes += bytes
    this.#heardAt = this.host.clock.monotonic()
    if (packet.kind === 'close') {
      this.#finish({ code: packet.code, reason: packet.reason, by: 'peer', transport: false })
      return
    }
    const again = this.#out.ack(packet.ack, packet.number === 0, this.#heardAt)
    if (again === false) {
      this.close(CloseCode.PROTOCOL, 'an ack for what was never sent')
      return
    }
    if (again !== undefined) this.#sendData(again)
    if (packet.number > 0) {
      this.#ackOwed = true
      for (const payload of this.#in.accept(packet.number, packet.frames)) this.#receiveFrames(payload)
    }
    this.#queueFlush()
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
        return true
      case 'streams':
        this.#mayOpen = Math.max(this.#mayOpen, frame.limit)
        this.#serveOpens()
        return true
      default: {
        const allowed = this.#receiveStreamFrame(frame)
        // Only now: a stream that is new has its first bytes when its taker sees it.
        this.#handOver()
        return allowed
      }
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

  #receiveStreamFrame(frame: Extract<Frame, { stream: number }>): boolean {
    const stream = this.#streams.get(frame.stream) ?? this.#accept(frame.stream)
    if (stream === false) return false
    switch (frame.type) {
      case 'stream':
        return stream?.receive(frame.data, frame.end) ?? true
      case 'reset':
        stream?.receiveReset(frame.code)
        return true
      case 'stop':
        stream?.receiveStop(frame.code)
        return true
      case 'credit':
        stream?.receiveCredit(frame.limit)
        return true
    }
  }

  /** A stream of the peer's that is new; `undefined` if it is over; false if there may be none of that id. */
  #accept(id: number): MemoryStream | undefined | false {
    const [sequence, kind] = [Math.floor(id / 4), id % 4]
    const ours = this.direction === 'outbound' ? 0 : 1
    if (kind === ours) return sequence < this.#opened ? undefined : false
    if (kind !== 1 - ours || sequence >= this.#peerMayOpen) return false
    if (sequence < this.#peerOpened && !this.#unseen.delete(id)) return undefined
    for (; this.#peerOpened <= sequence; this.#peerOpened++) {
      if (this.#peerOpened < sequence) this.#unseen.add(this.#peerOpened * 4 + kind)
    }
    const stream = new MemoryStream(id, this)
    this.#streams.set(id, stream)
    this.#arrivals.push(stream)
    return stream
  }

  #handOver(): void {
    for (
      let handler = this.#onStream;
      handler !== undefined && this.#closeInfo === undefined;
      handler = this.#onStream
    ) {
      const stream = this.#arrivals.shift()
      if (stream === undefined) return
      const take = handler
      this.call(() => {
        take(stream)
      })
    }
  }

  #serveOpens(): void {
    for (const waiting of this.#opens) {
      const stream = this.tryOpen()
      if (stream === undefined) return
      this.#opens.delete(waiting)
      waiting.resolve(stream)
    }
  }

  // What streams need.

  wantsToSend(stream: MemoryStream): void {
    this.#senders.add(stream)
    this.#queueFlush()
  }

  sendFrame(frame: Frame): void {
    this.#frames.push(frame)
    this.#queueFlush()
  }

  retire(stream: MemoryStream): void {
    this.#streams.delete(stream.id)
    if (stream.id % 4 === (this.direction === 'outbound' ? 0 : 1)) return
    this.sendFrame({ type: 'streams', limit: ++this.#peerMayOpen })
  }

  call(callback: (() => void) | undefined): void {
    try {
      callback?.()
    } catch (error) {
      this.host.log.error(`connection ${this.id}: a callback threw`, error)
    }
  }

  #checkOpen(): void {
    if (this.#closeInfo !== undefined) throw new ConnectionClosedError(this.#closeInfo)
  }

  // Sending.

  #queueFlush(): void {
    if (this.#flushQueued || this.#closeInfo !== undefined) return
    this.#flushQueued = true
    queueMicrotask(() => {
      this.#flushQueued = false
      if (this.#closeInfo === undefined) this.#flush()
    })
  }

  #flush(): void {
    const now = this.host.clock.monotonic()
    const drained = new Set<MemoryStream>()
    while (this.#out.hasRoom) {
      const payload = this.#nextPayload(drained)
      if (payload === undefined) break
      this.#sendData(this.#out.add(payload, now))
    }
    if (this.#ackOwed) this.#sendData({ number: 0, payload: new Uint8Array(0) })
    this.#arm()
    for (const stream of drained) stream.taken()
  }

  /** As many frames as fit into one packet, control frames first, then one piece of each stream in turn. */
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
    for (const stream of this.#senders) {
      if (room <= STREAM_FRAME_OVERHEAD) break
      this.#senders.delete(stream)
      if (!stream.hasOutput) continue
      put({ type: 'stream', stream: stream.id, ...stream.take(room - STREAM_FRAME_OVERHEAD) })
      drained.add(stream)
      if (stream.hasOutput) this.#senders.add(stream)
    }
    return parts.length === 0 ? undefined : Buffer.concat(parts)
  }

  #sendData({ number, payload }: Outgoing): void {
    this.#ackOwed = false
    this.#transmit({ kind: 'data', to: this.setup.remoteConnectionId, ack: this.#in.next, number, frames: payload })
  }

  #transmit(packet: Packet & { to: string }): void {
    const bytes = encodePacket(packet)
    this.#sentBytes += bytes.length
    this.host.send(packet, bytes)
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
    const due = Math.min(idle, keepAlive, this.#out.deadline ?? Infinity)
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
    const again = this.#out.expire(now)
    if (again !== undefined) this.#sendData(again)
    if (this.#proved && this.#out.isEmpty && now >= this.#heardAt + keepAliveMs) this.sendFrame({ type: 'ping' })
    else this.#arm()
  }

  #finish(info: CloseInfo): void {
    this.#closeInfo = info
    this.#timer?.timer.clear()
    this.#timer = undefined
    this.host.ended()
    this.#resolveClosed(info)
    const error = new ConnectionClosedError(info)
    for (const { reject } of this.#opens) reject(error)
    this.#opens.clear()
    for (const stream of [...this.#streams.values()]) stream.fail(error)
    this.#streams.clear()
    this.#senders.clear()
    this.#arrivals.length = 0
    this.#frames.length = 0
  }
}
