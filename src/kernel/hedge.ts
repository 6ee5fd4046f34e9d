import type { Clock, ClockTimer } from './clock.js'
import { abortReason, AbortError } from './errors.js'

export interface HedgeOptions {
  readonly clock: Clock
  readonly signal?: AbortSignal | undefined
  /** Milliseconds without an answer, after which a copy is made. */
  readonly afterMs: number
  /** Copies beside the first. */
  readonly max: number
  /** Whether what one of them failed with is what all would fail with. */
  readonly isFinal: (error: unknown) => boolean
}

/**
 * Does something, and the same once more each time there is no answer for a while. Ends with the first answer, the
 * first final failure, or the failure of the last that was under way; the signals of all others are aborted then.
 */
export function hedge<T>(work: (signal: AbortSignal) => Promise<T>, options: HedgeOptions): Promise<T> {
  const { clock, signal, afterMs, max, isFinal } = options
  return new Promise<T>((resolve, reject) => {
    const running = new Set<AbortController>()
    let made = 0
    let timer: ClockTimer | undefined
    const end = (reason: unknown): void => {
      timer?.clear()
      signal?.removeEventListener('abort', onAbort)
      for (const controller of running) controller.abort(reason)
      running.clear()
    }
    const onAbort = (): void => {
      const reason = abortReason(signal as AbortSignal)
      end(reason)
      reject(reason)
    }
    const launch = (): void => {
      const controller = new AbortController()
      running.add(controller)
      timer = made++ < max ? clock.setTimeout(launch, afterMs) : undefined
      const attempt = work(controller.signal)
      attempt.then(
        (answer) => {
          if (!running.delete(controller)) return
          end(new AbortError('a copy of the call was answered first'))
          resolve(answer)
        },
        (error: unknown) => {
          if (!running.delete(controller) || (running.size > 0 && !isFinal(error))) return
          end(error)
          // As it failed.
          resolve(attempt)
        }
      )
    }
    if (signal?.aborted === true) {
      onAbort()
      return
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    launch()
  })
}
