import { CloseCode, RpcCode, RpcError, type CallMeta } from '../../kernel/index.js'
import { isBusy } from './byte-budget.js'
import type { Channel } from './channel.js'
import type { RpcEnvironment } from './environment.js'
import type { Frame } from './frames.js'
import { parseJson } from './json.js'
import { asError, errorToWire } from './errors.js'
import { ServedCall } from './served-call.js'
import { WireError } from './wire-error.js'

/** A call that this node answers on a stream of its own. */
export class StreamCall extends ServedCall {
  #rejectWork: ((error: Error) => void) | undefined
  #over = false
  #working = 0

  constructor(
    readonly channel: Channel,
    meta: CallMeta,
    environment: RpcEnvironment,
    /** Called once the call is over and its handler has come to rest. */
    private readonly onIdle: () => void
  ) {
    super(environment, meta)
    channel.onLost = (error) => {
      this.abort(error)
    }
  }

  protected get isOver(): boolean {
    return this.#over
  }

  protected interrupt(failure: Error): void {
    this.channel.fail(failure)
    this.#rejectWork?.(failure)
  }

  /** The next frame from the caller. What is wrong with it ends the call, whatever the handler makes of it. */
  async receive(): Promise<Frame> {
    try {
      return this.channel.poll() ?? (await this.channel.receive())
    } catch (error) {
      this.abort(error as Error)
      throw this.failure ?? error
    }
  }

  /** The JSON in a frame. What is wrong with it ends the call. */
  parse(frame: Frame): unknown {
    try {
      return parseJson(frame.payload, this.environment.options.maxJsonDepth)
    } catch (error) {
      this.abort(error as Error)
      throw error
    }
  }

  /** Waits for a handler's work no longer than the call lasts. The call counts as running until the work has settled. */
  during<T>(work: PromiseLike<T>): Promise<T> {
    this.#working++
    const settled = (): void => {
      if (--this.#working === 0 && this.#over) this.onIdle()
    }
    return new Promise<T>((resolve, reject) => {
      this.#rejectWork = reject
      if (this.failure !== undefined) reject(this.failure)
      // The handler's own rejection is passed on as it is, whatever it is.
      const running = Promise.resolve(work)
      running.then(resolve, reject)
      running.then(settled, settled)
    })
  }

  /** Sends a frame; gives a promise to wait for if there is no room for more. */
  send(bytes: Uint8Array): Promise<void> | undefined {
    return this.channel.send(bytes) ? undefined : this.channel.drained()
  }

  /** Wants no more input. */
  leaveInput(): void {
    this.channel.leave(CloseCode.OK)
  }

  /** Ends the call for what the caller sent, and gives the error back to be thrown. */
  reject(error: WireError): WireError {
    this.abort(error)
    return error
  }

  /** Ends the call with an error. Returns its JSON-RPC code. */
  fail(thrown: unknown): number {
    // A handler that was interrupted may throw anything; why it was interrupted is what counts.
    const error = this.failure ?? asError(thrown)
    const wire = errorToWire(error)
    const { channel } = this
    const code = closeCodeOf(error)
    try {
      // Behind bytes that nobody takes, an answer would only wait.
      if (!channel.sent && !channel.blocked) channel.endAnyway(channel.wire.error(this.id, wire))
    } catch {
      // The caller is gone.
    }
    channel.close(code)
    return wire.code
  }

  /** Takes the call off. */
  finish(): void {
    this.#over = true
    this.clear()
    this.#rejectWork = undefined
    this.channel.close(CloseCode.OK)
    if (this.#working === 0) this.onIdle()
  }
}

function closeCodeOf(error: unknown): number {
  if (error instanceof WireError) return CloseCode.PROTOCOL
  if (!(error instanceof RpcError)) return CloseCode.OK
  if (error.rpcCode === RpcCode.TIMEOUT) return CloseCode.TIMEOUT
  if (error.rpcCode === RpcCode.IDLE) return CloseCode.IDLE
  if (isBusy(error)) return CloseCode.LIMIT
  return error.rpcCode === RpcCode.CANCELLED ? CloseCode.CANCELLED : CloseCode.OK
}
