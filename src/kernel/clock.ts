import { Subscription, type SchedulerAction, type SchedulerLike } from 'rxjs'
import { abortReason, DeadlineError, type PeerloomError } from './errors.js'
import { token } from './token.js'

/** A timer that has not fired yet. */
export interface ClockTimer {
  /** Cancels the timer; harmless if it has fired. */
  clear(): void
}

/**
 * Time, injected: the machine's in a process, a virtual one in a simulation. All durations are in milliseconds.
 *
 * Nothing in Peerloom reads another clock, so a network of thousands of nodes runs as fast as its events allow.
 */
export interface Clock {
  /** Milliseconds since the Unix epoch; may jump when the machine's clock is set. */
  now(): number
  /** Milliseconds from an arbitrary start; never goes back. Use it for durations. */
  monotonic(): number
  /** Runs `callback` once after `ms`. The timer keeps the process alive unless `background` is given. */
  setTimeout(callback: () => void, ms: number, options?: { background?: boolean }): ClockTimer
  /**
   * Says that real asynchronous work (a file, a look-up of a name) is pending: virtual time waits until the returned
   * function is called. Does nothing on the machine's clock.
   */
  hold(): () => void
}

export const Clock = token<Clock>('Clock')

/** A longer delay overflows the platform's timers, which would then fire at once. */
const MAX_DELAY_MS = 2 ** 31 - 1

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimeout(callback, ms, options) {
    const timer = setTimeout(callback, Math.min(Math.max(ms, 0), MAX_DELAY_MS))
    if (options?.background === true) timer.unref()
    return {
      clear: () => {
        clearTimeout(timer)
      }
    }
  },
  hold: () => () => undefined
}

/** Resolves after `ms`; rejects with `ERR_ABORTED` when the signal is aborted. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(abortReason(signal))
      return
    }
    const onAbort = (): void => {
      timer.clear()
      reject(abortReason(signal as AbortSignal))
    }
    const timer = clock.setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, ms)
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/**
 * Runs `work` with a signal that is aborted when `ms` have passed or `signal` is, and stops waiting for it then.
 * Rejects with `makeError()` (an `ERR_DEADLINE` unless given) or the signal's reason. Whatever `work` does after that
 * is its own affair: a late rejection is swallowed.
 */
export async function withDeadline<T>(
  clock: Clock,
  ms: number,
  work: (signal: AbortSignal) => PromiseLike<T> | T,
  options: { signal?: AbortSignal | undefined; makeError?: () => PeerloomError; background?: boolean } = {}
): Promise<T> {
  const { signal: outer, makeError = () => new DeadlineError(`took longer than ${String(ms)} ms`) } = options
  const controller = new AbortController()
  const { signal } = controller
  const onOuter = (): void => {
    controller.abort(abortReason(outer as AbortSignal))
  }
  if (outer?.aborted === true) onOuter()
  outer?.addEventListener('abort', onOuter, { once: true })
  const timer =
    ms === Infinity
      ? undefined
      : clock.setTimeout(
          () => {
            controller.abort(makeError())
          },
          ms,
          { background: options.background ?? false }
        )
  let onAbort: (() => void) | undefined
  try {
    signal.throwIfAborted()
    const aborted = new Promise<never>((_, reject) => {
      onAbort = () => {
        reject(abortReason(signal))
      }
      signal.addEventListener('abort', onAbort, { once: true })
    })
    // `work` may lose the race and reject later; Promise.race has subscribed to it, so that is not unhandled.
    return await Promise.race([Promise.resolve(work(signal)), aborted])
  } finally {
    timer?.clear()
    outer?.removeEventListener('abort', onOuter)
    if (onAbort !== undefined) signal.removeEventListener('abort', onAbort)
  }
}

/** An RxJS scheduler on a clock: give it to every operator that tells time, such as `timer(250, clockScheduler(clock))`. */
export function clockScheduler(clock: Clock): SchedulerLike {
  return {
    now: () => clock.now(),
    schedule<T>(work: (this: SchedulerAction<T>, state: T) => void, delay = 0, state?: T): Subscription {
      const action = new ClockAction<T>(clock, work)
      return action.schedule(state, delay)
    }
  }
}

class ClockAction<T> extends Subscription implements SchedulerAction<T> {
  #timer: ClockTimer | undefined

  constructor(
    readonly clock: Clock,
    readonly work: (this: SchedulerAction<T>, state: T) => void
  ) {
    super(() => this.#timer?.clear())
  }

  schedule(state?: T, delay = 0): Subscription {
    if (this.closed) return this
    this.#timer?.clear()
    const timer = this.clock.setTimeout(() => {
      if (this.#timer === timer) this.#timer = undefined
      this.work.call(this, state as T)
      // Work that did not schedule itself again is done.
      if (this.#timer === undefined) this.unsubscribe()
    }, delay)
    this.#timer = timer
    return this
  }
}
