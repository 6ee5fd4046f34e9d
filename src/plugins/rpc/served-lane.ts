import { CloseCode, ConnectionClosedError, RpcCode, RpcError, type Stream } from '../../kernel/index.js'
import type { RpcEnvironment } from './environment.js'
import { errorToWire } from './errors.js'
import { beginLane } from './frames.js'
import type { LaneSink } from './gather.js'
import { atEnd } from './lane.js'
import type { LaneCall } from './lane-call.js'
import { endFrame, LaneReader, LaneType, messageOnLane, type LaneFrames } from './lane-frames.js'
import type { Swept } from './lane-sweep.js'
import { errorText } from './messages.js'
import { givenUp } from './served-call.js'
import { WireError } from './wire-error.js'

/** Milliseconds for which a lane may be without a call; its opener ends it much sooner. */
const PATIENCE_MS = 30_000

const nothing = new Uint8Array(0)

/** What a served lane uses of its connection's server. None of these may throw. */
export interface LaneHost {
  readonly environment: Pick<RpcEnvironment, 'gather' | 'sweep'>
  /** A request has come, between two places of `bytes`; answers it now or later. */
  serve(lane: ServedLane, number: number, isBinary: boolean, bytes: Uint8Array, from: number, to: number): void
  /** A call takes a while. */
  held(): void
  /** Nothing is at work any more for a call that took a while. */
  released(): void
  /** A call is over. */
  tell(call: LaneCall, rpcCode: number | undefined): void
  /** The lane is over. */
  left(lane: ServedLane): void
}

/** A lane that the peer has opened. It is not read while answers wait for the peer to take them. */
export class ServedLane implements LaneFrames, LaneSink, Swept {
  /** Calls that take a while. */
  readonly #calls = new Map<number, LaneCall>()
  readonly #reader = new LaneReader(this)
  /** The greatest number of a call so far. */
  #seen = 0
  #unusedFor = 0
  #blocked = false
  /** The peer has said that it makes no more calls. */
  #ending = false
  /** Our end is said. */
  #ended = false
  #gone = false

  constructor(
    readonly stream: Stream,
    private readonly host: LaneHost
  ) {}

  /** Begins with what has come behind the first frame. */
  start(rest: Uint8Array): void {
    const { stream } = this
    stream.onReadable = this.#onReadable
    stream.onWritable = this.#onWritable
    stream.onClosed = this.#lookForLoss
    this.host.environment.sweep.add(this)
    this.host.environment.sweep.lookSoon()
    this.take(beginLane)
    this.#read(rest)
  }

  /** Answers a call with a message, and bytes if they are its result. */
  answer(number: number, text: string, bytes?: Uint8Array): void {
    if (this.#gone) return
    this.host.environment.gather.add(
      this,
      bytes === undefined ? LaneType.MESSAGE : LaneType.BINARY,
      number,
      text,
      bytes
    )
  }

  /** A call takes a while, and can be given up. */
  hold(call: LaneCall): void {
    this.#calls.set(call.number, call)
    this.host.held()
  }

  /** Nothing is at work for a call any more. */
  release(): void {
    this.host.released()
  }

  /** A call is over. */
  over(call: LaneCall, rpcCode: number | undefined): void {
    this.#calls.delete(call.number)
    this.host.tell(call, rpcCode)
    if (this.#calls.size > 0) return
    this.host.environment.sweep.lookSoon()
    if (this.#ending) this.#leaveInPeace()
  }

  take(bytes: Uint8Array): void {
    if (this.#gone) return
    try {
      this.#blocked = !this.stream.write(bytes)
    } catch (error) {
      this.#lose(error as Error)
    }
  }

  frame(type: number, number: number, bytes: Uint8Array, from: number, to: number): boolean {
    this.#unusedFor = 0
    if (type === LaneType.END) {
      this.#ending = true
      if (this.#calls.size === 0) this.#leaveInPeace()
      return false
    }
    if (type === LaneType.CANCEL) {
      if (number > this.#seen || to - from !== 1) throw new WireError('nothing that could be cancelled')
      // What is not there has been answered.
      this.#calls.get(number)?.leave(givenUp(bytes[from] as number))
      return true
    }
    if (number <= this.#seen) throw new WireError('the numbers of calls on a lane do not grow')
    this.#seen = number
    if (this.#ended) return true
    this.host.serve(this, number, type === LaneType.BINARY, bytes, from, to)
    return !this.#gone
  }

  look(): boolean {
    if (this.#calls.size > 0) return false
    const patience = this.host.environment.sweep.looksIn(PATIENCE_MS)
    if (++this.#unusedFor > 2 * patience)
      this.#lose(new RpcError(RpcCode.CANCELLED, 'the lane was not ended', { local: true }))
    else if (this.#unusedFor > patience) this.#end()
    return !this.#gone
  }

  /** Ends the calls on it, which are told, and takes no more. */
  close(error: Error): void {
    for (const call of this.#calls.values()) call.abort(error)
    this.#end()
    if (this.#gone) return
    this.#leave()
    this.stream.stop(CloseCode.SHUTDOWN)
  }

  /** Says that nothing more is answered, and which calls have been seen. */
  #end(): void {
    if (this.#ended || this.#gone) return
    this.#ended = true
    this.host.environment.gather.flush()
    try {
      this.stream.end(endFrame(this.#seen))
    } catch (error) {
      this.#lose(error as Error)
    }
  }

  /** Both sides have said all. */
  #leaveInPeace(): void {
    this.#end()
    if (this.#gone) return
    this.#leave()
    if (!atEnd(this.stream)) this.stream.stop(CloseCode.OK)
  }

  readonly #onReadable = (): void => {
    this.#read()
  }

  #read(rest?: Uint8Array): void {
    try {
      if (rest !== undefined) this.#reader.push(rest)
      while (!this.#gone && !this.#blocked) {
        const chunk = this.stream.read()
        if (chunk === undefined) return
        if (chunk === null) throw new WireError('the stream ended before its last frame')
        this.#reader.push(chunk)
      }
    } catch (error) {
      if (error instanceof WireError) this.#refuse(error)
      else this.#lose(error as Error)
    }
  }

  readonly #onWritable = (): void => {
    this.#lookForLoss()
    if (!this.#gone && !this.#blocked) this.#read()
  }

  readonly #lookForLoss = (): void => {
    if (this.#gone) return
    const { closeInfo } = this.stream.connection
    this.#blocked = false
    if (closeInfo !== undefined) this.#lose(new ConnectionClosedError(closeInfo))
    else if (!this.#ended) this.take(nothing)
  }

  /** What came is malformed: all that is on the lane ends. */
  #refuse(error: WireError): void {
    if (this.#gone) return
    this.host.environment.gather.flush()
    try {
      if (!this.#ended) this.stream.end(messageOnLane(0, errorText(null, errorToWire(error))))
    } catch {
      // The peer is gone.
    }
    this.#leave()
    this.stream.stop(CloseCode.PROTOCOL)
    this.#abandon(error)
  }

  /** The peer takes no more, or is gone. */
  #lose(error: Error): void {
    if (this.#gone) return
    this.#leave()
    this.stream.reset(CloseCode.CANCELLED)
    this.stream.stop(CloseCode.CANCELLED)
    this.#abandon(error)
  }

  #abandon(error: Error): void {
    for (const call of this.#calls.values()) call.leave(error)
  }

  #leave(): void {
    this.#gone = true
    this.stream.onReadable = this.stream.onWritable = this.stream.onClosed = undefined
    this.host.environment.sweep.delete(this)
    this.host.left(this)
  }
}
