import { abortReason, PeerloomError, type Clock, type ClockTimer, type Path } from '../../kernel/index.js'
import type { NodeId } from '../../model/index.js'
import type { MemoryConnection } from './connection.js'

/** The first hello is repeated after this time, further ones after twice the time before, up to a bound. */
const HELLO_RETRY_MS = 500
const MAX_HELLO_RETRY_MS = 2_000

export interface DialRequest {
  readonly peer: NodeId
  readonly path: Path
  readonly connectionId: string
  readonly nonce: Uint8Array
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
}

/** A hello that waits for its answer. It ends in a connection or an error, once, and leaves nothing behind. */
export class Dial {
  readonly result: Promise<MemoryConnection>
  readonly #onAbort = (): void => {
    this.fail(abortReason(this.request.signal as AbortSignal))
  }
  #timer: ClockTimer | undefined
  readonly #beganAt: number
  #hellos = 0
  #settled = false
  #resolve!: (connection: MemoryConnection) => void
  #reject!: (error: PeerloomError) => void

  constructor(
    readonly request: DialRequest,
    private readonly clock: Clock,
    private readonly sendHello: () => void,
    private readonly onEnd: (succeeded: boolean) => void
  ) {
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    request.signal?.addEventListener('abort', this.#onAbort, { once: true })
    this.#beganAt = clock.monotonic()
    this.#try(clock.monotonic() + request.timeoutMs, HELLO_RETRY_MS)
  }

  /** Milliseconds since the hello; `undefined` if there were several, since nobody knows which one is answered. */
  get rttMs(): number | undefined {
    return this.#hellos === 1 ? this.clock.monotonic() - this.#beganAt : undefined
  }

  succeed(connection: MemoryConnection): void {
    if (this.#end(true)) this.#resolve(connection)
  }

  fail(error: PeerloomError): void {
    if (this.#end(false)) this.#reject(error)
  }

  #try(deadline: number, retryMs: number): void {
    this.#hellos++
    this.sendHello()
    const left = deadline - this.clock.monotonic()
    this.#timer = this.clock.setTimeout(
      () => {
        if (this.clock.monotonic() < deadline) this.#try(deadline, Math.min(2 * retryMs, MAX_HELLO_RETRY_MS))
        else this.fail(new PeerloomError('ERR_DIAL', 'nothing answers'))
      },
      Math.min(left, retryMs)
    )
  }

  #end(succeeded: boolean): boolean {
    if (this.#settled) return false
    this.#settled = true
    this.#timer?.clear()
    this.request.signal?.removeEventListener('abort', this.#onAbort)
    this.onEnd(succeeded)
    return true
  }
}
