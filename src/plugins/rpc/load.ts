import type { Clock, ClockTimer } from '../../kernel/index.js'
import type { RpcSettings } from './options.js'

/** How often the event loop is looked at. */
const LOOK_MS = 100

/** How much a node has to do, and whether that is too much for one more call. */
export class Load {
  /** Calls served on all connections. */
  calls = 0
  #timer: ClockTimer | undefined
  #dueAt = 0
  #late = false

  constructor(
    private readonly clock: Clock,
    private readonly options: Pick<RpcSettings, 'maxTotalCalls' | 'maxLoopDelayMs'>
  ) {
    if (options.maxLoopDelayMs !== Infinity) this.#lookLater()
  }

  /** Whether another call is one too many. */
  get isFull(): boolean {
    return this.calls >= this.options.maxTotalCalls || this.#late
  }

  close(): void {
    this.#timer?.clear()
  }

  #lookLater(): void {
    this.#dueAt = this.clock.monotonic() + LOOK_MS
    this.#timer = this.clock.setTimeout(
      () => {
        this.#late = this.clock.monotonic() - this.#dueAt > this.options.maxLoopDelayMs
        this.#lookLater()
      },
      LOOK_MS,
      { background: true }
    )
  }
}
