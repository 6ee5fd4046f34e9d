import {
  CloseCode,
  messageOf,
  RpcCode,
  RpcError,
  StreamResetError,
  type CallContext,
  type CallMeta,
  type CallTimer
} from '../../kernel/index.js'
import { Deadline } from './deadline.js'
import type { RpcEnvironment } from './environment.js'
import type { MessageId, Request } from './messages.js'
import { WireError } from './wire-error.js'

/** A call that this node answers: the context its handler sees, and what ends it early. */
export abstract class ServedCall extends Deadline implements CallContext {
  #request: Request | undefined
  #controller: AbortController | undefined
  #failure: Error | undefined

  constructor(
    readonly environment: RpcEnvironment,
    readonly meta: CallMeta
  ) {
    super(environment.deadlines, environment.options.defaultTimeoutMs)
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#failure !== undefined) this.#controller.abort(this.#failure)
    }
    return this.#controller.signal
  }

  get timer(): CallTimer {
    return this
  }

  get request(): Request {
    if (this.#request === undefined) throw new WireError('the request has not come yet')
    return this.#request
  }

  set request(request: Request) {
    this.#request = request
  }

  get hasRequest(): boolean {
    return this.#request !== undefined
  }

  /** What is repeated in the answer. */
  get id(): MessageId {
    return this.#request?.id ?? null
  }

  /** Why the call was ended early, if it was. */
  get failure(): Error | undefined {
    return this.#failure
  }

  /** Ends the call in the handler's name. */
  cancel(reason?: unknown): void {
    const text = reason === undefined ? 'the handler gave the call up' : messageOf(reason)
    this.abort(new RpcError(RpcCode.CANCELLED, text, { local: true, cause: reason }))
  }

  /** Ends the call: whatever waits for it fails with the error, and the caller is told unless it is gone. */
  abort(error: Error): void {
    if (this.isOver || this.#failure !== undefined) return
    const failure = error instanceof StreamResetError ? givenUp(error.streamCode, error) : error
    this.#failure = failure
    this.interrupt(failure)
    this.#controller?.abort(failure)
  }

  override expire(): void {
    const text = `the call took longer than ${String(this.timeoutMs)} ms`
    this.abort(new RpcError(RpcCode.TIMEOUT, text, { local: true }))
  }

  /** Nothing can end it early any more. */
  protected abstract get isOver(): boolean
  /** It has been ended early. */
  protected abstract interrupt(failure: Error): void
}

/** What a caller says by the code with which it gives a call up. */
export function givenUp(code: number, cause?: StreamResetError): RpcError {
  if (code === CloseCode.TIMEOUT) {
    return new RpcError(RpcCode.TIMEOUT, 'the call took longer than its caller waits', { cause })
  }
  if (code === CloseCode.IDLE) {
    return new RpcError(RpcCode.IDLE, 'the call stood still for longer than its caller waits', { cause })
  }
  return new RpcError(RpcCode.CANCELLED, 'the caller gave up', { cause })
}
