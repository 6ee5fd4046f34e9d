import {
  filter,
  Observable,
  Subscriber,
  type Observer,
  type Operator,
  type OperatorFunction,
  type Subscription
} from 'rxjs'
import type { Address, NodeId } from '../model/index.js'
import type { Clock } from './clock.js'
import type { Logger } from './log.js'

/**
 * Every event by its type. A plugin of yours adds its own by declaration merging:
 *
 * @example
 * declare module 'peerloom' {
 *   interface EventMap { 'weather.changed': { celsius: number } }
 * }
 */
export interface EventMap {
  'kernel.starting': { plugins: number }
  'kernel.started': { ms: number }
  'kernel.stopping': object
  'kernel.stopped': { ms: number }
  'plugin.starting': { name: string }
  'plugin.started': { name: string; ms: number }
  'plugin.failed': { name: string; ms: number; error: unknown }
  'plugin.stopped': { name: string; ms: number; error?: unknown }

  /** The socket is bound; `addresses` are this node's own. */
  'node.listening': { addresses: readonly Address[] }
  /** Something to worry about that stopped nothing: a time-out to be retried, a limit reached. */
  'node.warning': { message: string; error?: unknown }

  /** A look-up began. */
  'discovery.started': { target: NodeId }
  /** A look-up asked a node; `hop` counts from 1. */
  'discovery.query': { target: NodeId; node: NodeId; hop: number }
  /** A node did not answer a look-up. */
  'discovery.failed': { target: NodeId; node: NodeId; error: unknown }
  /** A look-up learned addresses of its target. */
  'discovery.contact': { target: NodeId; addresses: readonly Address[] }
  /** A look-up ended. `hops` is the longest chain of answers that led to the result. */
  'discovery.done': { target: NodeId; found: boolean; hops: number; contacted: readonly NodeId[]; ms: number }
  /** A contact was verified and entered the routing table. */
  'routing.added': { node: NodeId; bucket: number }
  /** A contact left the routing table. */
  'routing.removed': { node: NodeId; bucket: number; reason: string }
  /** This node knows its neighbourhood. */
  'routing.joined': { contacts: number; ms: number }

  /** An address is being dialled. */
  'dial.started': { peer: NodeId; address: Address }
  /** An address did not lead to the peer. `code` is the code of `error`. */
  'dial.failed': { peer: NodeId; address: Address; code: string; error: unknown; ms: number }
  /** An attempt to connect has led to this connection, which may also be one that the peer made meanwhile. */
  'connect.done': { peer: NodeId; connection: string; ms: number }
  /** A node could not be reached at all. */
  'connect.failed': { peer: NodeId; error: unknown; ms: number }
  /** A connection is authenticated and live. `connection` is its id in this process. */
  'connection.opened': {
    peer: NodeId
    connection: string
    direction: 'inbound' | 'outbound'
    address: Address
    ms: number
  }
  /** A connection has ended. */
  'connection.closed': { peer: NodeId; connection: string; code: number; reason: string; by: 'us' | 'peer' | 'timeout' }

  /** An incoming call was answered. `rpcCode` is the JSON-RPC error code, if it failed. */
  'rpc.served': { peer: NodeId; method: string; ms: number; rpcCode?: number }
}

export type EventType = keyof EventMap

interface EventEnvelope<T extends EventType> {
  readonly type: T
  /** Milliseconds since the Unix epoch, by the kernel's clock. */
  readonly time: number
  /** The plugin that said it; `kernel` for the kernel itself. */
  readonly plugin: string
  /** One id for everything that happens in one attempt to connect: filter by it to read the whole story. */
  readonly attempt?: string
}

/** One event of type `T`. */
export type EventOf<T extends EventType> = { [K in T]: EventEnvelope<K> & Readonly<EventMap[K]> }[T]

/** Any event: a union discriminated by `type`. */
export type KernelEvent = EventOf<EventType>

/** Keeps the events of the given types, and narrows to them. */
export function ofType<T extends EventType>(...types: readonly T[]): OperatorFunction<KernelEvent, EventOf<T>> {
  const wanted: readonly string[] = types
  return filter((event: KernelEvent) => wanted.includes(event.type)) as OperatorFunction<KernelEvent, unknown> as never
}

/** Emits an event as one plugin. */
export interface EventEmitterOf {
  <T extends EventType>(type: T, details: EventMap[T], options?: { attempt?: string | undefined }): void
}

/**
 * An Observable whose subscribers cannot harm the process. RxJS rethrows what a `next` handler throws, and an error
 * that has no handler, from a timer of its own, which ends the process; here both are logged. Operators keep the guard.
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
