import {
  abortReason,
  checkSignal,
  CloseCode,
  ConnectionClosedError,
  InvalidInputError,
  PeerloomError,
  RpcCode,
  RpcError,
  StreamResetError,
  type CallOptions,
  type RpcTarget,
  type Stream
} from '../../kernel/index.js'
import type { BodySink } from './bodies.js'
import { asError } from './errors.js'
import { isBusy } from './byte-budget.js'
import { openChannel, type Channel } from './channel.js'
import { Deadline, inputLimit, timerLimit } from './deadline.js'
import type { RpcEnvironment } from './environment.js'
import { FrameType, type Frame } from './frames.js'
import { parseJson } from './json.js'
import { resultOf } from './messages.js'
import type { Wire } from './wire.js'
import { WireError } from './wire-error.js'

/**
 * How many milliseconds a call may take. Throws `ERR_INVALID_INPUT` for a malformed timer or signal, the reason of a signal that is
 * aborted, or why calls cannot be made.
 */
export function limitOfCall(
  { closed, options: { defaultTimeoutMs } }: RpcEnvironment,
  options: CallOptions | undefined,
  input: unknown
): number {
  if (closed !== undefined) throw closed
  if ((options?.retry ?? options?.hedge) !== undefined) {
    throw new InvalidInputError('retry and hedge are for unary calls of methods that are marked idempotent')
  }
  if (options?.signal !== undefined) checkSignal(options.signal)
  if (options?.idleTimeoutMs !== undefined && !(options.idleTimeoutMs > 0)) {
    throw new InvalidInputError('idleTimeoutMs must be a positive number of milliseconds')
  }
  const own = options?.timer === undefined ? defaultTimeoutMs : timerLimit(options.timer)
  if (options?.signal?.aborted === true) throw abortReason(options.signal)
  return Math.min(own, inputLimit(input))
}

/** A call has reached its limit on this side. */
export function tookTooLong(timeoutMs: number): RpcError {
  return new RpcError(RpcCode.TIMEOUT, `the call took longer than ${String(timeoutMs)} ms`, { local: true })
}

/** A call that this node makes, from before it has a stream until both directions are over. */
export class OutgoingCall implements BodySink {
  readonly deadline: Deadline
  readonly #signal: AbortSignal | undefined
  #channel: Channel | undefined
  #connecting: AbortController | undefined
  #failure: Error | undefined
  #rejectWork: ((error: Error) => void) | undefined
  #refused = false
  #over = false

  /** Called when the call has failed while nobody may be waiting for it. */
  onFailed: ((error: Error) => void) | undefined

  /** Throws as {@link limitOfCall} does. */
  constructor(
    readonly environment: RpcEnvironment,
    options: CallOptions | undefined,
    input: unknown
  ) {
    const timeoutMs = limitOfCall(environment, options, input)
    const signal = options?.signal
    this.deadline = new Deadline(environment.deadlines, timeoutMs, () => {
      this.fail(tookTooLong(timeoutMs), CloseCode.TIMEOUT)
    })
    this.deadline.arm()
    this.#signal = signal
    signal?.addEventListener('abort', this.#onAbort)
    environment.outgoing.add(this)
  }

  get over(): boolean {
    return this.#over || this.#failure !== undefined
  }

  get channel(): Channel {
    if (this.#channel === undefined) throw new PeerloomError('ERR_STATE', 'the call has no stream yet')
    return this.#channel
  }

  /** What is spoken on the call's stream. */
  get wire(): Wire {
    return this.channel.wire
  }

  /** Opens the stream. Nothing is returned, and nothing to be awaited, if that needs no waiting. */
  open(target: RpcTarget): Promise<void> | undefined {
    const stream = typeof target === 'function' ? undefined : target.tryOpen()
    if (stream === undefined) return this.during(this.#connect(target))
    this.#attach(stream)
    return undefined
  }

  async #connect(target: RpcTarget): Promise<void> {
    const connection = typeof target === 'function' ? await target(this.#connectOptions()) : target
    if (this.over) return
    const stream = connection.tryOpen() ?? (await connection.open(this.#connectOptions()))
    this.#attach(stream)
  }

  /** The signal is made only for those who look at it. */
  #connectOptions(): { readonly signal: AbortSignal } {
    const connecting = (): AbortController => (this.#connecting ??= new AbortController())
    return {
      get signal() {
        return connecting().signal
      }
    }
  }

  #attach(stream: Stream): void {
    this.#channel = openChannel(stream, this.environment)
    // A peer that wants no more input still answers, but a connection that is gone does not.
    this.#channel.onLost = (error) => {
      if (error instanceof ConnectionClosedError) this.fail(error, CloseCode.CANCELLED)
    }
    // The call may have ended while the stream was being opened.
    if (this.over) this.#channel.abandon(CloseCode.CANCELLED)
  }

  /** The next frame of the answer. Whatever is wrong with it ends the call. */
  async receive(): Promise<Frame> {
    try {
      return this.channel.poll() ?? (await this.channel.receive())
    } catch (error) {
      this.fail(timedOut(error) ?? (error as Error), closeCodeOf(error))
      throw this.#failure ?? error
    }
  }

  get maxJsonDepth(): number {
    return this.environment.options.maxJsonDepth
  }

  /** The JSON in a frame. */
  parse(frame: Frame): unknown {
    return parseJson(frame.payload, this.maxJsonDepth)
  }

  /** The result in a frame; throws the error that it says instead. */
  result(frame: Frame): unknown {
    if (frame.type !== FrameType.MESSAGE) throw new WireError('expected a response; is the method of another kind?')
    return resultOf(this.parse(frame))
  }

  /** Sends a frame; gives a promise to wait for if there is no room for more. */
  send(bytes: Uint8Array): Promise<void> | undefined {
    try {
      return this.channel.send(bytes) ? undefined : this.channel.drained()
    } catch (error) {
      this.#refused = true
      throw error
    }
  }

  /** Sends the last frame. */
  end(last: Uint8Array): void {
    try {
      this.channel.end(last)
    } catch (error) {
      this.#refused = true
      throw error
    }
    if (this.channel.received) this.finish()
  }

  /** Waits no longer than the call lasts. One at a time. */
  during<T>(work: PromiseLike<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#rejectWork = reject
      if (this.#failure !== undefined) reject(this.#failure)
      work.then(resolve, reject)
    })
  }

  /** Sends input beside the answer. If it fails, so does the call, unless it is the other side that wants no more. */
  pump(input: Promise<void>): void {
    input.catch((error: unknown) => {
      if (!this.#refused) this.fail(asError(error), CloseCode.CANCELLED)
    })
  }

  /** Ends the call on this side: whatever waits for it fails with the error, and the other side is told. */
  fail(error: Error, code: number): void {
    if (this.over) return
    this.#failure = error
    this.#channel?.fail(error)
    this.#channel?.abandon(code)
    this.#connecting?.abort(error)
    this.#rejectWork?.(error)
    this.onFailed?.(error)
    this.#release()
  }

  /** Ends the call because of what was thrown while it was made, and gives the error that its caller shall see. */
  failWith(thrown: unknown): unknown {
    if (thrown instanceof WireError) this.fail(thrown, CloseCode.PROTOCOL)
    this.finish()
    return this.#failure ?? thrown
  }

  /** Takes the call off. What is still being sent is no longer wanted. */
  finish(): void {
    if (this.over) return
    this.#over = true
    this.#channel?.close(CloseCode.CANCELLED)
    this.#rejectWork?.(new PeerloomError('ERR_STREAM_CLOSED', 'the call is over'))
    this.#release()
  }

  readonly #onAbort = (): void => {
    const reason = abortReason(this.#signal as AbortSignal)
    this.fail(reason, isIdle(reason) ? CloseCode.IDLE : CloseCode.CANCELLED)
  }

  #release(): void {
    this.deadline.clear()
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.environment.outgoing.delete(this)
  }
}

/** What an error of this side's own making is told with. */
export function closeCodeOf(error: unknown): number {
  if (error instanceof WireError) return CloseCode.PROTOCOL
  return isBusy(error) ? CloseCode.LIMIT : CloseCode.CANCELLED
}

/** What the other side says by a code with which it gives a call up for its time. */
function timedOut(error: unknown): RpcError | undefined {
  if (!(error instanceof StreamResetError)) return undefined
  if (error.streamCode === CloseCode.TIMEOUT) {
    return new RpcError(RpcCode.TIMEOUT, 'the call took longer than the other side allows', { cause: error })
  }
  if (error.streamCode !== CloseCode.IDLE) return undefined
  return new RpcError(RpcCode.IDLE, 'the call stood still for longer than the other side allows', { cause: error })
}

function isIdle(error: unknown): boolean {
  return error instanceof RpcError && error.rpcCode === RpcCode.IDLE
}
