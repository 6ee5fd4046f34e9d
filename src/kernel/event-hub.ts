import type { Subscriber } from 'rxjs'
import type { Clock } from './clock.js'
import type { EventMap, EventOf, EventType, KernelEvent } from './events.js'
import { GuardedObservable } from './guarded-observable.js'
import type { Logger } from './log.js'

/** The event stream of a kernel. A subscriber that throws is logged and harms neither the sender nor other subscribers. */
export class EventHub {
  readonly #subscribers = new Set<Subscriber<KernelEvent>>()
  /** Those who want some types only: an event that nobody wants, such as one of each call, is then not even made. */
  readonly #ofType = new Map<EventType, Set<Subscriber<KernelEvent>>>()
  readonly #log: Logger
  readonly #queue: KernelEvent[] = []

  /** Hot: gives events from the moment of subscription on. It spans restarts of the kernel and never errors. */
  readonly events: GuardedObservable<KernelEvent>

  constructor(
    private readonly clock: Clock,
    log: Logger
  ) {
    this.#log = log
    this.events = new GuardedObservable<KernelEvent>(log, (subscriber) => {
      this.#subscribers.add(subscriber)
      return () => this.#subscribers.delete(subscriber)
    })
  }

  /** The events of some types, hot as well. */
  of<T extends EventType>(...types: readonly T[]): GuardedObservable<EventOf<T>> {
    return new GuardedObservable<EventOf<T>>(this.#log, (subscriber) => {
      const wanting = subscriber as unknown as Subscriber<KernelEvent>
      for (const type of types) {
        const others = this.#ofType.get(type)
        if (others === undefined) this.#ofType.set(type, new Set([wanting]))
        else others.add(wanting)
      }
      return () => {
        for (const type of types) {
          const others = this.#ofType.get(type)
          if (others?.delete(wanting) === true && others.size === 0) this.#ofType.delete(type)
        }
      }
    })
  }

  emit<T extends EventType>(
    plugin: string,
    type: T,
    details: EventMap[T] | (() => EventMap[T]),
    attempt?: string
  ): void {
    if (this.#subscribers.size === 0 && !this.#ofType.has(type)) return
    const event = {
      ...(typeof details === 'function' ? details() : details),
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
      for (const subscriber of this.#ofType.get(next.type) ?? []) subscriber.next(next)
      this.#queue.shift()
    }
  }
}
