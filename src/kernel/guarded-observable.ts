import { Observable, Subscriber, type Observer, type Operator, type Subscription, type TeardownLogic } from 'rxjs'
import type { Logger } from './log.js'

/**
 * An Observable whose subscribers cannot harm the process. RxJS rethrows what a `next` handler throws, and an error
 * that has no handler, from a timer of its own, which ends the process; here both are logged. The guard holds for
 * the Observable itself and for whatever its `pipe(…)` makes of it; RxJS lets none go further.
 */
export class GuardedObservable<T> extends Observable<T> {
  constructor(
    private readonly log: Logger,
    subscribe?: (subscriber: Subscriber<T>) => TeardownLogic
  ) {
    super(subscribe)
  }

  // RxJS offers no other way to keep a subclass across `pipe`.
  /* eslint-disable @typescript-eslint/no-deprecated */
  override lift<R>(operator?: Operator<T, R>): Observable<R> {
    const lifted = new GuardedObservable<R>(this.log)
    lifted.source = this
    lifted.operator = operator
    return lifted
  }
  /* eslint-enable @typescript-eslint/no-deprecated */

  override subscribe(
    observer?: Partial<Observer<T>> | ((value: T) => void) | null,
    error?: ((error: unknown) => void) | null,
    complete?: (() => void) | null
  ): Subscription {
    if (observer instanceof Subscriber) return super.subscribe(observer)
    const target: Partial<Observer<T>> =
      typeof observer === 'function'
        ? { next: observer, ...(error ? { error } : {}), ...(complete ? { complete } : {}) }
        : (observer ?? {})
    const guard = (work: () => void): void => {
      try {
        work()
      } catch (thrown) {
        this.log.error('a subscriber threw', thrown)
      }
    }
    return super.subscribe({
      next: (value) => {
        guard(() => target.next?.(value))
      },
      error: (failure: unknown) => {
        if (target.error === undefined) this.log.error('an operator threw', failure)
        else guard(() => target.error?.(failure))
      },
      complete: () => {
        guard(() => target.complete?.())
      }
    })
  }
}
