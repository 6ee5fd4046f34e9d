import type { Clock, ClockTimer } from '../kernel/index.js'
import { TimerQueue, type QueuedTimer } from './timer-queue.js'

/** Rounds of immediates that one instant may take: code that sets them for ever must not stop time for ever. */
const MAX_ROUNDS = 100

/** As of the platform's timers. */
const MAX_DELAY_MS = 2 ** 31 - 1

/** Immediates that virtual clocks of this process have set themselves. */
let ownImmediates = 0

/**
 * A clock that stands still until it is moved. It goes from timer to timer; in between it lets promises and immediates
 * settle, and it waits for whatever real work `hold()` announced, so the order of events depends on nothing but the
 * timers. Like the machine's, its timers fire at whole milliseconds and never early; those of one instant fire in the
 * order in which they were set, with promises settling in between.
 *
 * `advance` and `until` may be under way together, one within the other even: they share the turns of the clock.
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
  #turn: Promise<boolean> | undefined
  readonly #timers = new TimerQueue()

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
    return this.#timers.size
  }

  setTimeout(callback: () => void, ms: number, options?: { background?: boolean }): ClockTimer {
    // What is no number fires at once; what never comes, as late as it does by the machine's clock.
    const delay = ms > 0 ? Math.min(Math.ceil(ms), MAX_DELAY_MS) : 0
    return this.#add(callback, this.#time + delay, options?.background ?? false)
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

  /** Moves time on by `ms`, firing every timer that falls due on the way, in order. Rejects with what a timer throws. */
  async advance(ms: number): Promise<void> {
    const end = this.#time + ms
    const goal = { reached: false }
    const reach = (): void => {
      goal.reached = true
    }
    const timer = this.#add(reach, end, false)
    try {
      await this.#takeTurn(true)
      while (!goal.reached || (this.#timers.first?.due ?? Infinity) <= end) await this.#takeTurn()
    } finally {
      timer.clear()
    }
  }

  /**
   * Moves time on until a promise settles, and gives its value. Throws when nothing is left that could settle it:
   * neither a timer, but for background ones, nor real work. Also rejects with what a timer throws.
   */
  async until<T>(promise: PromiseLike<T>): Promise<T> {
    const goal = { reached: false }
    const reach = (): void => {
      goal.reached = true
    }
    promise.then(reach, reach)
    await this.#takeTurn(true)
    for (let moved = true; moved && !goal.reached;) moved = await this.#takeTurn()
    // It may have settled at the very last, when nothing was left to move for.
    if (goal.reached) return promise
    throw new Error(`virtual time cannot go on: nothing is left to happen at ${String(this.#time)} ms`)
  }

  #add(callback: () => void, due: number, background: boolean): ClockTimer {
    const timer: QueuedTimer = { due, order: this.#order++, callback, background, at: -1 }
    this.#timers.add(timer)
    return {
      clear: () => {
        this.#timers.remove(timer)
      }
    }
  }

  /** Joins the turn under way, or takes one. Gives false if no timer was worth going on for. */
  #takeTurn(settleOnly = false): Promise<boolean> {
    return (this.#turn ??= (settleOnly ? this.#settle().then(() => true) : this.#fire()).finally(() => {
      this.#turn = undefined
    }))
  }

  /** Fires the timers of the next instant, then lets all settle. */
  async #fire(): Promise<boolean> {
    // Whoever waited for the last turn goes on first: what he does now belongs to the present instant.
    await microtasks()
    if (this.#timers.foreground === 0) return false
    const instant = Math.max(this.#time, this.#timers.first?.due ?? 0)
    // What is set for this same instant meanwhile waits for the next turn, so that immediates get theirs in between.
    const end = this.#order
    for (let next = this.#timers.first; next !== undefined; next = this.#timers.first) {
      if (next.due > instant || next.order >= end) break
      this.#timers.remove(next)
      this.#time = instant
      next.callback()
      await microtasks()
    }
    await this.#settle()
    return true
  }

  async #settle(): Promise<void> {
    for (let rounds = 0; rounds < MAX_ROUNDS; rounds++) {
      await immediates()
      if (this.#holds > 0) await new Promise<void>((resolve) => (this.#released = resolve))
      else if (!othersSetImmediates()) return
    }
  }
}

/** Resolves when all promises have settled that can do so by themselves: ticks come after microtasks. */
function microtasks(): Promise<void> {
  return new Promise((resolve) => {
    process.nextTick(resolve)
  })
}

/** Resolves when the immediates that are set now have run, and what they settled has settled. */
function immediates(): Promise<void> {
  ownImmediates++
  return new Promise((resolve) => {
    setImmediate(() => {
      ownImmediates--
      resolve()
    })
  })
}

function othersSetImmediates(): boolean {
  let count = 0
  for (const resource of process.getActiveResourcesInfo()) if (resource === 'Immediate') count++
  return count > ownImmediates
}
