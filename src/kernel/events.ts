import { filter, type OperatorFunction } from 'rxjs'
import type { Address, NodeId } from '../model/index.js'

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
  /** Plugins take the place of others: `plugins` are new, `restarting` are they and all that depend on either. */
  'kernel.replacing': { plugins: readonly string[]; restarting: readonly string[] }
  'kernel.replaced': { plugins: readonly string[]; ms: number }
  /** A replacement failed; what ran before runs again. */
  'kernel.restored': { error: unknown; ms: number }
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
  /** The peer has answered a probe over a path that was not known to work. `ms` is the round trip. */
  'path.proved': PathDetails & { ms: number }
  /** A connection takes another path; `by` says who decided so. `ms`, if known, is how long the move took. */
  'path.moved': PathDetails & { before: { local: Address; remote: Address }; by: 'us' | 'peer'; ms?: number }
  /** A path that is not in use is kept no more. */
  'path.lost': PathDetails

  /** An incoming call was answered. `rpcCode` is the JSON-RPC error code, if it failed. */
  'rpc.served': { peer: NodeId; method: string; ms: number; rpcCode?: number }
}

/** A path of a connection: from one of this node's sockets to an address of the peer's. */
interface PathDetails {
  peer: NodeId
  connection: string
  local: Address
  remote: Address
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
  /** @param details or what makes them, which is then asked only if anybody wants the event */
  <T extends EventType>(
    type: T,
    details: EventMap[T] | (() => EventMap[T]),
    options?: { attempt?: string | undefined }
  ): void
}
