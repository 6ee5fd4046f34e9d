import { CloseCode, ConnectionClosedError, PeerloomError, type Stream } from '../../kernel/index.js'
import type { RpcEnvironment } from './environment.js'
import type { Frame } from './frames.js'
import type { MessageReader } from './message-reader.js'
import type { Wire } from './wire.js'

const NOTHING = new Uint8Array(0)

/**
 * The messages of one stream, both ways. It reads only when asked to, so what is not wanted yet stays with the transport
 * and, in the end, with the sender.
 */
export class Channel {
  #failure: Error | undefined
  #wakeReader: (() => void) | undefined
  #wakeWriter: (() => void) | undefined
  #sentLast = false
  #blocked = false
  #left = false
  #over = false

  /** Called when the stream can no longer be written to although nobody is writing: the peer gave up, for example. */
  onLost: ((error: Error) => void) | undefined

  constructor(
    readonly stream: Stream,
    readonly wire: Wire,
    readonly reader: MessageReader,
    /** Takes a stream of which everything is sent, but whose end has not come; without it, such a stream is stopped. */
    private readonly linger?: (stream: Stream) => void
  ) {
    stream.onWritable = () => {
      this.#blocked = false
      if (this.#wakeWriter === undefined) this.#lookForLoss()
      else this.#wake()
    }
    stream.onClosed = () => {
      this.#lookForLoss()
    }
  }

  /** True when the peer has ended its direction. */
  get received(): boolean {
    return this.reader.ended
  }

  /** True when this side has ended its direction. */
  get sent(): boolean {
    return this.#sentLast
  }

  /** True while more was written than the stream wants to take. */
  get blocked(): boolean {
    return this.#blocked
  }

  /** Gives the stream away, with what has come of it and was not looked at. */
  release(): Uint8Array {
    this.#over = true
    return this.reader.rest
  }

  /** The next frame if it is there. Throws `WireError`, what the stream throws, or what `fail` was given. */
  poll(): Frame | undefined {
    this.#check()
    if (this.#left) throw new PeerloomError('ERR_STREAM_CLOSED', 'nothing more is read from this call')
    for (;;) {
      const frame = this.reader.next()
      if (frame !== undefined) return frame
      const chunk = this.stream.read()
      if (chunk === undefined) return undefined
      if (chunk === null) this.reader.end()
      else this.reader.push(chunk)
    }
  }

  /** The next frame, once it is there. Rejects as `poll` throws. */
  async receive(): Promise<Frame> {
    for (let frame = this.poll(); ; frame = this.poll()) {
      if (frame !== undefined) return frame
      await new Promise<void>((resolve) => {
        this.#wakeReader = resolve
        this.stream.onReadable = resolve
      })
      this.#wakeReader = undefined
    }
  }

  /** Sends bytes; false means that `drained` is to be awaited before more is sent. Throws as the stream does. */
  send(bytes: Uint8Array): boolean {
    this.#check()
    this.#blocked = !this.stream.write(bytes)
    return !this.#blocked
  }

  /** Resolves when the stream takes more, or never will, of which the next `send` tells. */
  drained(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#failure === undefined && !this.#over && this.#blocked) this.#wakeWriter = resolve
      else resolve()
    })
  }

  /** Sends the last bytes of this side, and the end with them. */
  end(last: Uint8Array): void {
    this.#check()
    this.stream.end(last)
    this.#sentLast = true
  }

  /** Makes every use of the channel, waiting ones included, fail with `error`. The stream itself is not touched. */
  fail(error: Error): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    this.#wake()
  }

  /** Wants no more of what the peer sends. */
  leave(code: number): void {
    if (this.received || this.#left || this.#over) return
    this.#left = true
    this.reader.drop()
    this.stream.stop(code)
    this.#wakeReader?.()
  }

  /** Tells the peer why this side ended, even after `fail`. Better than a reset where the peer may still be reading. */
  endAnyway(last: Uint8Array): void {
    this.stream.end(last)
    this.#sentLast = true
  }

  /** Lets go of the stream. What either side has not ended yet is given up with `code`. */
  close(code: number): void {
    if (this.#over) return
    this.#over = true
    this.reader.drop()
    const { stream } = this
    this.onLost = stream.onReadable = stream.onWritable = stream.onClosed = undefined
    if (!this.#sentLast) stream.reset(code)
    // A FIN that came with the last frame is taken; one that is still to come is not waited for, it may be lost.
    if (this.received ? !this.#atEnd() : !this.#left) {
      if (this.linger !== undefined && this.#sentLast && isPeaceful(code)) this.linger(stream)
      else stream.stop(this.received ? CloseCode.OK : code)
    }
    this.#wake()
  }

  /** Gives both directions up, whatever was sent already. */
  abandon(code: number): void {
    if (this.#over) return
    this.stream.reset(code)
    this.#sentLast = true
    this.leave(code)
    this.close(code)
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure
    // Made only where someone sees it: every call ends, and an error costs more than a frame.
    if (this.#over) throw new PeerloomError('ERR_STREAM_CLOSED', 'the call is over')
  }

  #wake(): void {
    this.#wakeReader?.()
    this.#wakeWriter?.()
    this.#wakeWriter = undefined
  }

  #lookForLoss(): void {
    if (this.onLost === undefined || this.#over) return
    const { closeInfo } = this.stream.connection
    if (closeInfo !== undefined) {
      this.onLost(new ConnectionClosedError(closeInfo))
      return
    }
    try {
      if (!this.#sentLast) this.stream.write(NOTHING)
    } catch (error) {
      this.onLost(error as Error)
    }
  }

  #atEnd(): boolean {
    try {
      return this.stream.read() === null
    } catch {
      return true
    }
  }
}

/** The channel of a stream, in what is spoken on its connection. */
export function openChannel(stream: Stream, { wireOf, options, budgets, lingering }: RpcEnvironment): Channel {
  const wire = wireOf(stream.connection)
  const reader = wire.reader(options, budgets.of(stream.connection))
  return new Channel(stream, wire, reader, wire.lingers ? lingering.take : undefined)
}

/** The call has gone its way, and so has whatever was still to be said about it. */
function isPeaceful(code: number): boolean {
  return code === CloseCode.OK || code === CloseCode.CANCELLED
}
