import { CloseCode, RpcCode, RpcError, type CallMeta, type Stream } from '../../kernel/index.js'
import { answerFrames, BYTES_FOLLOW } from './binary.js'
import type { RpcEnvironment } from './environment.js'
import { asError, errorToWire } from './errors.js'
import { isThenable } from './item-iterator.js'
import { fitsLane } from './lane-frames.js'
import { binaryResultText, errorText, resultText } from './messages.js'
import { checkAnswer, outputBytes, type OfferedMethod } from './method.js'
import { ServedCall } from './served-call.js'
import type { ServedLane } from './served-lane.js'

/** A call that this node answers on a lane. Its answer waits for nobody's, and goes elsewhere if it is long. */
export class LaneCall extends ServedCall {
  #method: OfferedMethod | undefined
  #over = false
  #silent = false
  /** What is at work for it: the handler, or the stream that takes its answer. */
  #working = 0
  #stream: Stream | undefined

  constructor(
    private readonly lane: ServedLane,
    /** Which call on the lane it is. */
    readonly number: number,
    environment: RpcEnvironment,
    meta: CallMeta
  ) {
    super(environment, meta)
  }

  /** Runs the handler and answers, at once if the handler does. Throws what the handler throws at once. */
  run(method: OfferedMethod): void {
    this.#method = method
    const result = method.run(this, this.request.params)
    if (!isThenable(result)) {
      this.#answer(result)
      return
    }
    this.#begin()
    result.then(
      (value) => {
        try {
          this.#answer(value)
        } catch (error) {
          this.fail(error)
        }
        this.#rest()
      },
      (error: unknown) => {
        this.fail(error)
        this.#rest()
      }
    )
  }

  /** Runs the handler once what came early is sure to be no recording. */
  runConfirmed(method: OfferedMethod, confirmed: Promise<boolean>): void {
    this.#method = method
    this.#begin()
    void confirmed.then((isConfirmed) => {
      if (!isConfirmed)
        this.leave(
          new RpcError(RpcCode.CANCELLED, 'the connection ended before its handshake was done', { local: true })
        )
      if (!this.#over) this.#attempt(method)
      this.#rest()
    })
  }

  #attempt(method: OfferedMethod): void {
    try {
      this.run(method)
    } catch (error) {
      this.fail(error)
    }
  }

  /** Answers with an error. */
  fail(thrown: unknown): void {
    if (this.#over) return
    // A handler that was interrupted may throw anything; why it was interrupted is what counts.
    const wire = errorToWire(this.failure ?? asError(thrown))
    this.#reply(wire.code, errorText(this.id, wire))
  }

  /** Ends the call early; its caller wants no answer any more, or cannot be given one. */
  leave(error: Error): void {
    this.#silent = true
    this.abort(error)
  }

  protected get isOver(): boolean {
    return this.#over
  }

  protected interrupt(failure: Error): void {
    this.#stream?.reset(CloseCode.CANCELLED)
    if (this.#silent) this.#end(errorToWire(failure).code)
    else this.fail(failure)
  }

  #answer(result: unknown): void {
    if (this.#over) return
    if (this.failure !== undefined) throw this.failure
    const bytes = this.#method?.binary.output === true ? outputBytes(result) : undefined
    const text = bytes === undefined ? resultText(this.id, result) : binaryResultText(this.id) + BYTES_FOLLOW
    if (!fitsLane(text, bytes?.length)) {
      checkAnswer(Buffer.byteLength(text) + (bytes?.length ?? 0), this.environment.options)
    }
    this.#reply(undefined, text, bytes)
  }

  #reply(rpcCode: number | undefined, text: string, bytes?: Uint8Array): void {
    if (fitsLane(text, bytes?.length)) {
      this.lane.answer(this.number, text, bytes)
      this.#end(rpcCode)
      return
    }
    const frames = answerFrames(this.lane.stream.id, this.number, text, bytes)
    this.#begin()
    void this.#replyElsewhere(rpcCode, frames).then(() => {
      this.#rest()
    })
  }

  /** Sends an answer on a stream that this side opens. */
  async #replyElsewhere(rpcCode: number | undefined, frames: Uint8Array): Promise<void> {
    const { connection } = this.lane.stream
    try {
      const stream = (this.#stream = connection.tryOpen() ?? (await connection.open({ signal: this.signal })))
      if (this.#over) {
        stream.reset(CloseCode.CANCELLED)
      } else {
        stream.end(frames)
        this.#end(rpcCode)
      }
      // To stop the other direction at once might reach the caller before the answer, as if nobody wanted its own.
      readToEnd(stream)
    } catch {
      // The connection is gone, or the call was ended meanwhile.
      this.#end(rpcCode)
    }
  }

  #begin(): void {
    if (this.#working++ > 0) return
    this.arm()
    this.lane.hold(this)
    this.#method?.calls.add(this)
  }

  #rest(): void {
    if (--this.#working === 0) this.lane.release()
  }

  #end(rpcCode: number | undefined): void {
    if (this.#over) return
    this.#over = true
    this.clear()
    this.#method?.calls.delete(this)
    this.lane.over(this, rpcCode)
  }
}

/** Takes the end of a direction in which nothing is sent. */
function readToEnd(stream: Stream): void {
  const read = (): void => {
    try {
      for (let chunk = stream.read(); chunk !== undefined; chunk = stream.read()) {
        if (chunk === null) return
        stream.stop(CloseCode.PROTOCOL)
      }
    } catch {
      // A reset is an end too.
    }
  }
  stream.onReadable = read
  read()
}
