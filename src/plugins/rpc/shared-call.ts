import {
  abortReason,
  CloseCode,
  StreamResetError,
  type CallOptions,
  type Connection,
  type RpcTarget
} from '../../kernel/index.js'
import { binaryResult, BYTES_FOLLOW } from './binary.js'
import type { Remote } from './call.js'
import type { Channel } from './channel.js'
import { Deadline } from './deadline.js'
import { FrameType } from './frames.js'
import { inputBytes, inputText } from './input.js'
import { parseJson } from './json.js'
import type { Lane, LaneCaller } from './lane.js'
import { fitsLane } from './lane-frames.js'
import { requestText, resultOf } from './messages.js'
import { closeCodeOf, limitOfCall, tookTooLong } from './outgoing-call.js'
import { WireError } from './wire-error.js'

/** How often a call is sent again on another lane because a lane was ended before the call was seen. */
const MAX_REPEATS = 3
/** Bytes that a request's envelope may have beside the method's name. */
const ENVELOPE_BYTES = 100

/** Makes a call on a stream of its own. */
type Alone = (target: RpcTarget, input: unknown, options?: CallOptions) => Promise<unknown>

/** The function that calls a unary method: on a lane if what it sends is small and there is room, and alone otherwise. */
export function sharedCaller(remote: Remote, alone: Alone) {
  const { environment, target, method, binary } = remote
  const envelopeBytes = method.length + ENVELOPE_BYTES
  if (environment.options.maxLanes === 0)
    return (input: unknown, options?: CallOptions) => alone(target, input, options)
  return (input: unknown, options?: CallOptions): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const bytes = binary.input ? inputBytes(method, input) : undefined
      const params = bytes === undefined ? inputText(input) : undefined
      if (!fitsLane(params ?? '', envelopeBytes + (bytes?.length ?? 0))) {
        resolve(alone(target, input, options))
        return
      }
      new SharedCall(remote, { input, params, bytes }, options, alone, resolve, reject).begin()
    })
}

interface Input {
  readonly input: unknown
  readonly params: string | undefined
  readonly bytes: Uint8Array | undefined
}

/** A call that shares a stream with others. */
class SharedCall extends Deadline implements LaneCaller {
  #lane: Lane | undefined
  /** Which call on the lane it is. */
  #number = 0
  /** The stream that a long answer comes on. */
  #channel: Channel | undefined
  #connecting: AbortController | undefined
  #onAbort: (() => void) | undefined
  #repeats = 0
  #over = false

  constructor(
    private readonly remote: Remote,
    private readonly given: Input,
    private readonly options: CallOptions | undefined,
    private readonly alone: Alone,
    private readonly resolve: (result: unknown) => void,
    private readonly reject: (error: Error) => void
  ) {
    super(remote.environment.deadlines, limitOfCall(remote.environment, options, given.input))
  }

  begin(): void {
    const { signal } = this.options ?? {}
    if (signal !== undefined) {
      this.#onAbort = () => {
        this.fail(abortReason(signal), CloseCode.CANCELLED)
      }
      signal.addEventListener('abort', this.#onAbort)
    }
    this.arm()
    const { target } = this.remote
    if (typeof target === 'function') void this.#connect(target)
    else this.#send(target, this.timeoutMs)
  }

  /** Ends the call on this side, and tells the other one why. */
  fail(error: Error, code: number): void {
    if (this.#over) return
    this.#finish()
    this.#lane?.giveUp(this.#number, code)
    this.#channel?.abandon(code)
    this.#connecting?.abort(error)
    this.reject(error)
  }

  override expire(): void {
    this.fail(tookTooLong(this.timeoutMs), CloseCode.TIMEOUT)
  }

  answered(result: unknown): void {
    const isBinary = result instanceof Uint8Array
    if (isBinary !== this.remote.binary.output) {
      this.lost(new WireError(isBinary ? 'an answer in bytes' : 'expected bytes'))
      return
    }
    this.#finish()
    this.resolve(result)
  }

  lost(error: Error): void {
    if (this.#over) return
    this.#finish()
    this.reject(error)
  }

  unseen(): void {
    const connection = this.#lane?.stream.connection
    this.#lane = undefined
    if (connection === undefined || ++this.#repeats > MAX_REPEATS) this.lost(new StreamResetError(CloseCode.CANCELLED))
    else this.#send(connection, this.getTimeout())
  }

  answeredOn(channel: Channel): void {
    if (this.#channel !== undefined) {
      channel.abandon(CloseCode.PROTOCOL)
      return
    }
    this.#channel = channel
    channel.onLost = undefined
    void this.#readFrom(channel)
  }

  async #readFrom(channel: Channel): Promise<void> {
    const { maxJsonDepth } = this.remote.environment.options
    try {
      const { type, last, payload } = channel.poll() ?? (await channel.receive())
      if (!last || (type !== FrameType.MESSAGE && type !== FrameType.BINARY)) throw new WireError('expected an answer')
      this.#lane?.settle(this.#number)
      this.answered(
        type === FrameType.BINARY ? binaryResult(payload, maxJsonDepth) : resultOf(parseJson(payload, maxJsonDepth))
      )
      channel.close(CloseCode.OK)
    } catch (error) {
      this.#lane?.settle(this.#number)
      channel.abandon(closeCodeOf(error))
      this.lost(error as Error)
    }
  }

  async #connect(target: Exclude<RpcTarget, Connection>): Promise<void> {
    const { outgoing } = this.remote.environment
    outgoing.add(this)
    const connecting = (): AbortController => (this.#connecting ??= new AbortController())
    try {
      const connection = await target({
        // Made only for those who look at it.
        get signal() {
          return connecting().signal
        }
      })
      if (!this.#over) this.#send(connection, this.getTimeout())
    } catch (error) {
      this.lost(error as Error)
    } finally {
      outgoing.delete(this)
    }
  }

  #send(connection: Connection, timeoutMs: number): void {
    const { environment, method } = this.remote
    const { input, params, bytes } = this.given
    try {
      const lane = environment.lanes.get(connection)?.pick()
      if (lane === undefined) {
        this.#finish()
        this.resolve(this.alone(connection, input, { signal: this.options?.signal, timer: timeoutMs }))
        return
      }
      const text = requestText(method, params, timeoutMs)
      this.#lane = lane
      this.#number = lane.add(this, bytes === undefined ? text : text + BYTES_FOLLOW, bytes)
    } catch (error) {
      this.lost(error as Error)
    }
  }

  #finish(): void {
    this.#over = true
    this.clear()
    if (this.#onAbort !== undefined) this.options?.signal?.removeEventListener('abort', this.#onAbort)
  }
}
