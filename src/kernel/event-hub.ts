import type { Subscriber } from 'rxjs'
import type { Clock } from './clock.js'
import type { EventMap, EventType, KernelEvent } from './events.js'
import { GuardedObservable } from './guarded-observable.js'
import type { Logger } from './log.js'

/** The event stream of a kernel. A subscriber that throws is logged and harms neither the sender nor other subscribers. */
export class EventHub {
  readonly #subscribers = new Set<Subscriber<KernelEvent>>()
  readonly #queue: KernelEvent[] = []

  /** Hot: gives events from the moment of subscription on. It spans restarts of the kernel and never errors. */
  readonly events: GuardedObservable<KernelEvent>

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
