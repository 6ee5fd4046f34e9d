import { map, takeUntil, timer, type MonoTypeOperatorFunction } from 'rxjs'
import { clockScheduler, DeadlineError, type Clock } from '../../kernel/index.js'

/** Fails with a `DeadlineError` if the source has not ended after `ms`. */
export function within<T>(ms: number, clock: Clock): MonoTypeOperatorFunction<T> {
  const expired = timer(ms, clockScheduler(clock)).pipe(
    map(() => {
      throw new DeadlineError(`not connected within ${String(ms)} ms`)
    })
  )
  return takeUntil(expired)
}
