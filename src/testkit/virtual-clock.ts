import type { Clock, ClockTimer } from '../kernel/index.js'

interface Entry {
  readonly due: number
  readonly order: number
  readonly callback: () => void
  readonly background: boolean
}

/**
 * A clock that stands still until it is moved. Between two timers it lets promises and immediates settle, and it
 * waits for whatever real work `hold()` announced, so the order of events depends on nothing but the timers.
 *
 * @example
 * const clock = new VirtualClock()
 * const late = sleep(clock, 60_000)
 * await clock.advance(60_000)
 * await late
 */
export class VirtualClock implements Clock {
  #time = 0
  #order = 0
  #holds = 0
  #released: (() => void) | undefined
  readonly #entries: Entry[] = []

  /** @param epoch what `now()` says at the start, milliseconds since the Unix epoch */
  constructor(private readonly epoch = Date.UTC(2026, 0, 1)) {}

  now(): number {
    return this.epoch + this.#time
  }

  monotonic(): number {
    return this.#time
  }

  /** Timers that have not fired yet. */
  get pending(): number {
    return this.#entries.length
  }

  setTimeout(callback: () => void, ms: number, options?: { background?: boolean }): ClockTimer {
    const entry: Entry = {
      due: this.#time + Math.max(0, ms),
      order: this.#order++,
      callback,
      background: options?.background ?? false
    }
    this.#insert(entry)
    return {
      clear: () => {
        const at = this.#entries.indexOf(entry)
        if (at >= 0) this.#entries.splice(at, 1)
      }
    }
  }

  hold(): () => void {
    this.#holds++
    let held = true
    return () => {
      if (!held) return
      held = false
      if (--this.#holds === 0) this.#released?.()
    }
  }

  /** Moves time on by `ms`, firing every timer that falls due on the way, in order. */
  async advance(ms: number): Promise<void> {
    const end = this.#time + ms
    await this.#settle()
    for (let next = this.#entries[0]; next !== undefined && next.due <= end; next = this.#entries[0])
      await this.#fire(next)
    this.#time = end
  }

  /**
   * Moves time on until a promise settles, and gives its value. Throws when nothing is left that could settle it:
   * neither a timer, but for background ones, nor real work.
   */
  async until<T>(promise: PromiseLike<T>): Promise<T> {
    const outcome = { settled: false }
    const settle = (): void => {
      outcome.settled = true
    }
    promise.then(settle, settle)
    await this.#settle()
    while (!outcome.settled) {
      const next = this.#entries[0]
      if (next === undefined || this.#entries.every(({ background }) => background)) {
        throw new Error(`virtual time cannot go on: nothing is left to happen at ${String(this.#time)} ms`)
      }
      await this.#fire(next)
    }
    return promise
  }

  #insert(entry: Entry): void {
    let low = 0
    let high = this.#entries.length
    while (low < high) {
      const middle = (low + high) >> 1
      const other = this.#entries[middle] as Entry
      if (other.due < entry.due || (other.due === entry.due && other.order < entry.order)) low = middle + 1
      else high = middle
    }
    this.#entries.splice(low, 0, entry)
  }

  async #fire(entry: Entry): Promise<void> {
    this.#entries.shift()
    this.#time = Math.max(this.#time, entry.due)
    entry.callback()
    await this.#settle()
  }

  /** One immediate runs after all microtasks, nextTicks and the immediates that were queued before it. */
  async #settle(): Promise<void> {
    for (let i = 0; i < 3; i++) {
      await new Promise<void>((resolve) => setImmediate(resolve))
      if (this.#holds === 0) continue
      await new Promise<void>((resolve) => (this.#released = resolve))
      i = -1
    }
  }
}
