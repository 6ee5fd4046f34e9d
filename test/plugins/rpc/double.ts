import { NEVER } from 'rxjs'
import {
  CloseCode,
  ConnectionClosedError,
  DEFAULT_URGENCY,
  PeerloomError,
  STREAM_HIGH_WATER_BYTES,
  StreamResetError,
  type CloseInfo,
  type Connection,
  type ConnectionPool,
  type Stream
} from '#src/kernel/index.js'
import { Address, NodeId } from '#src/model/index.js'

/** One direction of a stream: bytes on their way, and how they end. */
class Pipe {
  chunks: Uint8Array[] = []
  bytes = 0
  ended = false
  resetCode: number | undefined
  stopCode: number | undefined
  reader: StreamDouble | undefined
  writer: StreamDouble | undefined
}

/** Half of a linked pair of streams that delivers in a later microtask and can be made to cut chunks anywhere. */
export class StreamDouble implements Stream {
  onReadable: (() => void) | undefined
  onWritable: (() => void) | undefined
  onClosed: (() => void) | undefined
  urgency = DEFAULT_URGENCY
  readonly codes: { reset?: number; stop?: number } = {}
  #writeOver = false
  #readOver = false
  #starved = false
  #full = false
  /** Bytes read so far. */
  taken = 0

  constructor(
    readonly id: number,
    readonly connection: ConnectionDouble,
    private readonly input: Pipe,
    private readonly output: Pipe
  ) {
    input.reader = this
    output.writer = this
  }

  read(): Uint8Array | null | undefined {
    this.#check()
    const { input } = this
    if (input.resetCode !== undefined) {
      this.#readOver = true
      this.#closeIfOver()
      throw new StreamResetError(input.resetCode)
    }
    const chunk = input.chunks.shift()
    if (chunk !== undefined) {
      input.bytes -= chunk.length
      this.taken += chunk.length
      input.writer?.drained()
      return chunk
    }
    if (input.ended) {
      this.#readOver = true
      this.#closeIfOver()
      return null
    }
    this.#starved = true
    return undefined
  }

  /** Bytes that have come and were not taken yet. */
  get unread(): number {
    return this.input.bytes
  }

  write(chunk: Uint8Array): boolean {
    this.#checkWrite()
    for (const piece of this.connection.cut(chunk)) {
      if (this.output.stopCode === undefined && piece.length > 0) this.output.chunks.push(piece)
    }
    this.output.bytes += chunk.length
    this.output.reader?.arrived()
    this.#full = this.output.bytes >= STREAM_HIGH_WATER_BYTES
    return !this.#full
  }

  end(last?: Uint8Array): void {
    if (this.#writeOver && this.output.ended) return
    if (last !== undefined) this.write(last)
    else this.#checkWrite()
    this.#writeOver = true
    this.output.ended = true
    this.output.reader?.arrived()
    this.#closeIfOver()
  }

  reset(code: number): void {
    this.codes.reset ??= code
    if (this.#writeOver) return
    this.#writeOver = true
    this.output.chunks = []
    this.output.resetCode = code
    this.output.reader?.arrived()
    this.#closeIfOver()
  }

  stop(code: number): void {
    this.codes.stop ??= code
    if (this.#readOver) return
    this.#readOver = true
    this.input.chunks = []
    this.input.stopCode = code
    this.input.writer?.stopped()
    this.#closeIfOver()
  }

  get closed(): boolean {
    return this.connection.closeInfo !== undefined || (this.#writeOver && this.#readOver)
  }

  arrived(): void {
    queueMicrotask(() => {
      if (!this.#starved) return
      this.#starved = false
      this.onReadable?.()
    })
  }

  drained(): void {
    if (!this.#full || this.output.bytes >= STREAM_HIGH_WATER_BYTES) return
    this.#full = false
    queueMicrotask(() => this.onWritable?.())
  }

  stopped(): void {
    queueMicrotask(() => {
      this.onWritable?.()
      this.#writeOver = true
      this.#closeIfOver()
    })
  }

  lost(): void {
    this.arrived()
    queueMicrotask(() => this.onWritable?.())
    queueMicrotask(() => this.onClosed?.())
  }

  #check(): void {
    const { closeInfo } = this.connection
    if (closeInfo !== undefined) throw new ConnectionClosedError(closeInfo)
  }

  #checkWrite(): void {
    this.#check()
    if (this.output.stopCode !== undefined) throw new StreamResetError(this.output.stopCode)
    if (this.#writeOver) throw new PeerloomError('ERR_STREAM_CLOSED', 'ended already')
  }

  #closeIfOver(): void {
    if (!this.closed) return
    this.connection.streams.delete(this)
    queueMicrotask(() => {
      const { onClosed } = this
      this.onClosed = undefined
      onClosed?.()
    })
  }
}

export class ConnectionDouble implements Connection {
  readonly transport = 'double'
  protocol = 'peerloom/1'
  readonly openedAt = 0
  early = false
  readonly heardAt = 0
  rttMs = 0
  readonly remote = Address.parse('127.0.0.1:4433')
  readonly path = { local: this.remote, remote: this.remote }
  readonly paths = [this.path]
  readonly paths$ = NEVER
  readonly closed: Promise<CloseInfo>
  readonly streams = new Set<StreamDouble>()
  closeInfo: CloseInfo | undefined
  other!: ConnectionDouble
  /** How a chunk is cut on its way. */
  cut: (chunk: Uint8Array) => Uint8Array[] = (chunk) => [chunk]
  /** Every stream ever opened from this side. */
  readonly opened: StreamDouble[] = []
  #onStream: ((stream: Stream) => void) | undefined
  #waiting: Stream[] = []
  #resolve!: (info: CloseInfo) => void

  constructor(
    readonly id: string,
    readonly peer: NodeId,
    readonly direction: 'inbound' | 'outbound'
  ) {
    this.closed = new Promise((resolve) => (this.#resolve = resolve))
  }

  get onStream(): ((stream: Stream) => void) | undefined {
    return this.#onStream
  }

  set onStream(handler) {
    this.#onStream = handler
    while (handler !== undefined && this.#waiting.length > 0) handler(this.#waiting.shift()!)
  }

  open(): Promise<Stream> {
    return Promise.resolve().then(() => this.tryOpen())
  }

  tryOpen(): StreamDouble {
    if (this.closeInfo !== undefined) throw new ConnectionClosedError(this.closeInfo)
    const there = new Pipe()
    const back = new Pipe()
    const mine = new StreamDouble(this.opened.length * 4, this, back, there)
    const theirs = new StreamDouble(mine.id, this.other, there, back)
    this.opened.push(mine)
    this.streams.add(mine)
    this.other.streams.add(theirs)
    // The peer learns of a stream from its first bytes.
    const arrived = theirs.arrived.bind(theirs)
    theirs.arrived = () => {
      theirs.arrived = arrived
      queueMicrotask(() => this.other.take(theirs))
    }
    return mine
  }

  probe(): Promise<never> {
    return Promise.reject(new PeerloomError('ERR_PATH', 'a double has no paths'))
  }

  migrate(): Promise<never> {
    return this.probe()
  }

  confirmed(): Promise<boolean> {
    return Promise.resolve(true)
  }

  ping(): Promise<boolean> {
    return Promise.resolve(this.closeInfo === undefined)
  }

  readonly maxMessageBytes = 0
  onMessage: undefined

  sendMessage(): boolean {
    throw new PeerloomError('ERR_MESSAGE_SIZE', 'streams only')
  }

  take(stream: Stream): void {
    if (this.#onStream === undefined) this.#waiting.push(stream)
    else this.#onStream(stream)
  }

  close(code: number = CloseCode.OK, reason = ''): void {
    this.#end({ code, reason, by: 'us', transport: false })
    this.other.#end({ code, reason, by: 'peer', transport: false })
  }

  drain(code?: number, reason?: string): Promise<CloseInfo> {
    this.close(code, reason)
    return this.closed
  }

  #end(info: CloseInfo): void {
    if (this.closeInfo !== undefined) return
    this.closeInfo = info
    for (const stream of this.streams) stream.lost()
    this.streams.clear()
    this.#resolve(info)
  }

  stats() {
    const counts = { streams: this.streams.size, ownStreams: 0, openedStreams: this.opened.length, acceptedStreams: 0 }
    const lost = { lostPackets: 0, lostBytes: 0, congestionWindowBytes: 0 }
    const messages = { sentMessages: 0, receivedMessages: 0, droppedMessages: 0 }
    return {
      rttMs: this.rttMs,
      sentBytes: 0,
      receivedBytes: 0,
      pathsLeft: Infinity,
      worn: false,
      ...lost,
      ...messages,
      ...counts
    }
  }
}

export function nodeId(seed: number): NodeId {
  return NodeId.fromBytes(new Uint8Array(32).fill(seed))
}

/** Two ends of one connection. */
export function connectionPair(): [ConnectionDouble, ConnectionDouble] {
  const dialler = new ConnectionDouble('out', nodeId(2), 'outbound')
  const accepter = new ConnectionDouble('in', nodeId(1), 'inbound')
  dialler.other = accepter
  accepter.other = dialler
  return [dialler, accepter]
}

/** As much of a pool as RPC uses. */
export function poolOf(...connections: Connection[]): ConnectionPool {
  return {
    connections,
    onConnection(handler: (connection: Connection) => void) {
      connections.forEach(handler)
      return () => undefined
    },
    onEarly: () => () => undefined
  } as unknown as ConnectionPool
}
