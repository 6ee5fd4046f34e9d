import type { NodeId } from '../../model/index.js'
import type { AnyIterable, CallContext, CallOptions, MethodKind, RawAnswer } from './rpc-methods.js'

/** How a call ended. */
export interface CallEnd {
  /** Milliseconds since the middleware was given the call, until its last item or byte. */
  readonly ms: number
  /** What it failed with; absent if it went well, or was left early by who reads it. */
  readonly error?: unknown
}

interface Inputs {
  unary: unknown
  client: AsyncIterable<unknown>
  server: unknown
  duplex: AsyncIterable<unknown>
  raw: unknown
}

interface Outcomes {
  unary: unknown
  client: unknown
  server: AsyncIterable<unknown>
  duplex: AsyncIterable<unknown>
  raw: RawAnswer<unknown>
}

interface InvocationOf<K extends MethodKind> {
  readonly kind: K
  /** The name on the wire. */
  readonly method: string
  /** Who calls, or who is called if that is known. */
  readonly peer: NodeId | undefined
  readonly input: Inputs[K]
  /** The bytes of a raw call. */
  readonly body: K extends 'raw' ? AnyIterable<Uint8Array> : undefined
  /** Called once the call is over, whatever its kind. What a listener throws is reported as `node.warning`. */
  onEnd(listener: (end: CallEnd) => void): void
}

/** What the next middleware, or the handler, gets in place of what there was. */
export interface InvocationChange<K extends MethodKind> {
  readonly input?: Inputs[K]
  readonly body?: AnyIterable<Uint8Array>
}

type Served<K extends MethodKind> = InvocationOf<K> & {
  readonly side: 'server'
  readonly peer: NodeId
  /** Who offers the method: a plugin's name, or `application`. */
  readonly plugin: string
  readonly context: CallContext
  /** Goes on, to the next middleware and in the end to the handler; gives what that gives. */
  next(change?: InvocationChange<K>): Promise<Outcomes[K]>
}

type Made<K extends MethodKind> = InvocationOf<K> & {
  readonly side: 'client'
  readonly options: CallOptions
  /** Goes on, to the next middleware and in the end to the peer; gives what that answers. */
  next(change?: InvocationChange<K> & { readonly options?: CallOptions }): Promise<Outcomes[K]>
}

/** A call that this node serves, as middleware sees it. `kind` tells which input and outcome it has. */
export type ServerInvocation = { [K in MethodKind]: Served<K> }[MethodKind]
/** A call that this node makes, as middleware sees it. */
export type ClientInvocation = { [K in MethodKind]: Made<K> }[MethodKind]

/**
 * Stands between a call and its handler, or between a caller and its peer, for calls of every kind. It goes on with
 * `call.next()`, and gives back what that gave or something else of the same kind: a result, items, or a result and
 * bytes. It refuses a call by throwing. The first of several is the outermost.
 *
 * @example
 * const timing: ServerMiddleware = (call) => {
 *   call.onEnd(({ ms }) => histogram.record(ms, { method: call.method }))
 *   return call.next()
 * }
 */
export type ServerMiddleware = (call: ServerInvocation) => unknown
export type ClientMiddleware = (call: ClientInvocation) => unknown
/** Middleware for either side. */
export type Middleware = (call: ServerInvocation | ClientInvocation) => unknown
