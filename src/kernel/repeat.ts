import { sleep, type Clock } from './clock.js'

export interface RepeatOptions {
  readonly clock: Clock
  readonly signal?: AbortSignal | undefined
  /** How often in all. */
  readonly attempts: number
  /** Milliseconds until the next attempt after `made` of them; nothing if there shall be none. */
  readonly pauseMs: (error: unknown, made: number) => number | undefined
}

/** Does something, and again while it fails in a way after which that is wanted. Rejects with the last failure. */
export async function repeat<T>(work: () => Promise<T>, options: RepeatOptions): Promise<T> {
  const { signal, attempts, pauseMs } = options
  for (let made = 1; ; made++) {
    try {
      return await work()
    } catch (error) {
      const ms = made >= attempts || signal?.aborted === true ? undefined : pauseMs(error, made)
      if (ms === undefined) throw error
      if (ms > 0) await sleep(options.clock, ms, signal)
    }
  }
}
