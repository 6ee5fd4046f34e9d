import { Observable, Subscriber, type Observer, type Operator, type Subscription } from 'rxjs'
import type { Clock } from './clock.js'
import type { EventMap, EventType, KernelEvent } from './events.js'
import type { Logger } from './log.js'

/**
 * An Observable whose subscribers cannot harm the process. RxJS rethrows what a `next` handler throws, and an error
 * that has no handler, from a timer of its own, which ends the process; here both are logged. The guard holds for
 * `events` and for whatever `events.pipe(…)` makes of it; RxJS lets none go further.
 */
class GuardedObservable<T> extends Observable<T> {
  constructor(
    private readonly log: Logger,
    subscribe?: (subscriber: Subscriber<T>) => () => void
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
        this.log.error('a subscriber of the event stream threw', thrown)
      }
    }
    return super.subscribe({
      next: (value) => {
        guard(() => target.next?.(value))
      },
      error: (failure: unknown) => {
        if (target.error === undefined) this.log.error('an operator on the event stream threw', failure)
        else guard(() => target.error?.(failure))
      },
      complete: () => {
        guard(() => target.complete?.())
      }
    })
  }
}

/** The event stream of a kernel. A subscriber that throws is logged and harms neither the sender nor other subscribers. */
export class EventHub {
  readonly #subscribers = new Set<Subscriber<KernelEvent>>()
  readonly #queue: KernelEvent[] = []

  /** Hot: gives events from the moment of subscription on. It spans restarts of the kernel and never errors. */
  readonly events: Observable<KernelEvent>

  constructor(
    private readonly clock: Clock,
    log: Logger
  ) {
    this.events = new GuardedObservable<KernelEvent>(log, (subscriber) => {
      this.#subscribers.add(subscriber)
      return () => this.#subscribers.delete(subscriber)
    })
  }

  emit<T extends EventType>(plugin: string, type: T, details: EventMap[T], attempt?: string): void {
    if (this.#subscribers.size === 0) return
    const event = {
      ...details,
      type,
      time: this.clock.now(),
      plugin,
      ...(attempt === undefined ? {} : { attempt })
    } as unknown as KernelEvent
    this.#queue.push(event)
    if (this.#queue.length > 1) return
    // What a subscriber emits waits its turn, so that every subscriber sees the same order.
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      for (const subscriber of this.#subscribers) subscriber.next(next)
      this.#queue.shift()
    }
  }
}
