import { CloseCode, ConnectionClosedError, StreamResetError, type Stream } from '../../kernel/index.js'
import { binaryResult } from './binary.js'
import type { Channel } from './channel.js'
import { resultBetween } from './envelope.js'
import type { RpcEnvironment } from './environment.js'
import { beginLane, FrameReader, FrameType } from './frames.js'
import { parseJson } from './json.js'
import { endFrame, LaneReader, LaneType, MAX_CALL_ID, type LaneFrames } from './lane-frames.js'
import type { LaneSink } from './gather.js'
import type { Swept } from './lane-sweep.js'
import { resultOf } from './messages.js'
import { WireError } from './wire-error.js'

/** Calls under way on one lane; further ones go elsewhere. */
export const MAX_CALLS_PER_LANE = 64
/** Milliseconds for which the other side may leave our end of a lane without its own. */
const PATIENCE_MS = 30_000

const nothing = new Uint8Array(0)

/** A call on a lane, as the lane sees it. None of these may throw. */
export interface LaneCaller {
  /** The answer is there. */
  answered(result: unknown): void
  /** The answer comes on a stream of its own. */
  answeredOn(channel: Channel): void
  /** There will be no answer, or it says this. */
  lost(error: Error): void
  /** The other side has not seen the call, and will not on this lane. */
  unseen(): void
}

/** A stream that small calls to one peer share. Opened by the caller, ended by either side when nobody uses it. */
export class Lane implements LaneFrames, LaneSink, Swept {
  readonly #calls = new Map<number, LaneCaller>()
  readonly #reader = new LaneReader(this)
  /** Reads how the other side begins: it may refuse the lane. */
  #opening: FrameReader | undefined
  #lastId = 0
  #answeredId = 0
  #blocked = false
  #used = true
  /** Looks of the sweep since it was ended on this side; it takes no more calls. */
  #endedFor = -1
  #gone = false

  constructor(
    readonly stream: Stream,
    private readonly environment: RpcEnvironment,
    private readonly onGone: (lane: Lane) => void
  ) {
    const { options, budgets, sweep } = environment
    this.#opening = new FrameReader(options.maxMessageBytes, budgets.of(stream.connection))
    stream.onReadable = this.#read
    stream.onWritable = this.#onWritable
    stream.onClosed = this.#lookForLoss
    sweep.add(this)
    this.take(beginLane)
    this.#read()
  }

  /** Whether a call may be added. */
  get hasRoom(): boolean {
    return (
      !this.#blocked &&
      this.#calls.size < MAX_CALLS_PER_LANE &&
      this.#endedFor < 0 &&
      !this.#gone &&
      this.#lastId < MAX_CALL_ID
    )
  }

  /**
   * Calls that were sent after the last one of which an answer shows that it has arrived. A packet of theirs may be lost,
   * and the next call would wait behind it.
   */
  get doubt(): number {
    return this.#lastId - this.#answeredId
  }

  /** Sends a request. Returns the call's id on the lane. */
  add(call: LaneCaller, text: string, bytes: Uint8Array | undefined): number {
    const id = ++this.#lastId
    this.#calls.set(id, call)
    this.#used = true
    this.environment.gather.add(this, bytes === undefined ? LaneType.MESSAGE : LaneType.BINARY, id, text, bytes)
    return id
  }

  /** The caller gives a call up. */
  giveUp(id: number, code: number): void {
    if (!this.#remove(id) || this.#gone || this.#endedFor >= 0) return
    this.environment.gather.add(this, LaneType.CANCEL, id, '', Uint8Array.of(code))
  }

  /** The other side answers a call on a stream of its own. */
  answerOn(id: number, channel: Channel): void {
    const call = this.#calls.get(id)
    // It may have been given up meanwhile.
    if (call === undefined) channel.abandon(CloseCode.CANCELLED)
    else call.answeredOn(channel)
  }

  /** The call has its answer, from elsewhere. */
  settle(id: number): void {
    if (id > this.#answeredId) this.#answeredId = id
    this.#remove(id)
  }

  take(bytes: Uint8Array): void {
    if (this.#gone) return
    try {
      this.#blocked = !this.stream.write(bytes)
    } catch (error) {
      this.#refused(error as Error)
    }
  }

  frame(type: number, id: number, bytes: Uint8Array, from: number, to: number): boolean {
    if (type === LaneType.END) {
      this.#onEnd(id)
      return false
    }
    const { maxJsonDepth } = this.environment.options
    // What is said to no call is why there is no lane any more.
    if (id === 0 && type === LaneType.MESSAGE) resultOf(parseJson(bytes, maxJsonDepth, from, to))
    if (type === LaneType.CANCEL || id === 0 || id > this.#lastId)
      throw new WireError('an answer to nothing that was asked')
    if (id > this.#answeredId) this.#answeredId = id
    const call = this.#calls.get(id)
    // What was given up may have been answered already.
    if (call === undefined) return true
    this.#remove(id)
    try {
      call.answered(
        type === LaneType.MESSAGE
          ? resultBetween(bytes, from, to, maxJsonDepth)
          : binaryResult(bytes.subarray(from, to), maxJsonDepth)
      )
    } catch (error) {
      call.lost(error as Error)
    }
    return true
  }

  look(): boolean {
    if (this.#endedFor >= 0) {
      if (++this.#endedFor > this.environment.sweep.looksIn(PATIENCE_MS))
        this.fail(new StreamResetError(CloseCode.TIMEOUT), CloseCode.TIMEOUT)
    } else if (this.#calls.size > 0) {
      return false
    } else if (this.#used) {
      this.#used = false
    } else {
      this.#end()
    }
    return !this.#gone
  }

  /** Gives the lane up, and the calls on it. */
  fail(error: Error, code: number): void {
    if (this.#gone) return
    this.#leave()
    this.stream.reset(code)
    this.stream.stop(code)
    for (const call of this.#calls.values()) call.lost(error)
    this.#calls.clear()
  }

  #remove(id: number): boolean {
    const was = this.#calls.delete(id)
    if (this.#calls.size === 0) this.environment.sweep.lookSoon()
    return was
  }

  #end(): void {
    this.#endedFor = 0
    this.environment.gather.flush()
    try {
      this.stream.end(endFrame(this.#lastId))
    } catch (error) {
      this.#refused(error as Error)
    }
  }

  readonly #read = (): void => {
    try {
      while (!this.#gone) {
        const chunk = this.stream.read()
        if (chunk === undefined) return
        // A lane ends with a frame that says so; a reset may, very seldom, look like an end (docs/protocol.md).
        if (chunk === null) throw new StreamResetError(CloseCode.CANCELLED)
        this.#push(chunk)
      }
    } catch (error) {
      this.fail(error as Error, error instanceof WireError ? CloseCode.PROTOCOL : CloseCode.CANCELLED)
    }
  }

  #push(chunk: Uint8Array): void {
    const opening = this.#opening
    if (opening === undefined) {
      this.#reader.push(chunk)
      return
    }
    opening.push(chunk)
    const frame = opening.next()
    if (frame === undefined) return
    if (frame.type === FrameType.MESSAGE) resultOf(parseJson(frame.payload, this.environment.options.maxJsonDepth))
    if (frame.type !== FrameType.LANE) throw new WireError('expected a lane')
    this.#opening = undefined
    this.#reader.push(opening.rest)
  }

  #onEnd(lastSeen: number): void {
    if (this.#endedFor < 0) this.#end()
    if (this.#gone) return
    this.#leave()
    if (!atEnd(this.stream)) this.stream.stop(CloseCode.OK)
    for (const [id, call] of this.#calls) {
      if (id > lastSeen) call.unseen()
      else call.lost(new StreamResetError(CloseCode.CANCELLED))
    }
    this.#calls.clear()
  }

  readonly #onWritable = (): void => {
    this.#blocked = false
    this.#lookForLoss()
  }

  readonly #lookForLoss = (): void => {
    if (this.#gone) return
    const { closeInfo } = this.stream.connection
    if (closeInfo !== undefined) this.fail(new ConnectionClosedError(closeInfo), CloseCode.CANCELLED)
    else if (this.#endedFor < 0) this.take(nothing)
  }

  /** The other side takes no more. What it has to say may still come; the connection's end is told elsewhere. */
  #refused(error: Error): void {
    if (!(error instanceof StreamResetError)) {
      this.fail(error, CloseCode.CANCELLED)
      return
    }
    if (this.#endedFor < 0) this.#endedFor = 0
    this.environment.sweep.lookSoon()
    this.#read()
  }

  #leave(): void {
    this.#gone = true
    this.#opening?.drop()
    this.stream.onReadable = this.stream.onWritable = this.stream.onClosed = undefined
    this.environment.sweep.delete(this)
    this.onGone(this)
  }
}

/** Whether the end of a stream has come with its last frame. One that is still to come is not waited for. */
export function atEnd(stream: Stream): boolean {
  try {
    return stream.read() === null
  } catch {
    return true
  }
}
