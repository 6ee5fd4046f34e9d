import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { NodeId } from '../../model/index.js'
import type { CallPolicies } from './rpc-policies.js'
import type { RpcErrorClass } from './rpc-errors.js'
import type { AccessRule, MethodLimits } from './rpc-limits.js'

/** Whatever JSON can say. A member that is `undefined` is left out. */
export type JsonValue =
  null | boolean | number | string | readonly JsonValue[] | { readonly [member: string]: JsonValue | undefined }

/** The five kinds of call. */
export type MethodKind = 'unary' | 'client' | 'server' | 'duplex' | 'raw'

/** What is left of a call's time. */
export interface CallTimer {
  /** Milliseconds that the whole call may take; Infinity if it may take for ever. */
  readonly timeoutMs: number
  /** Milliseconds left; 0 when none are. */
  getTimeout(): number
}

/** Who calls. A plain record, so that it can be logged and passed on. */
export interface CallMeta {
  /** The caller, as its certificate proved. */
  readonly nodeId: NodeId
  /** The id of the connection that the call came by. */
  readonly connection: string
  /** Where the caller's datagrams come from: `host:port`. */
  readonly remote: string
  readonly [key: string]: JsonValue
}

/** What a handler knows of its call. */
export interface CallContext {
  /**
   * Aborted when the caller cancels, the deadline passes, the connection ends or the plugin that offers the method stops;
   * not by the end of a call that went well. Its reason is an error of our family.
   */
  readonly signal: AbortSignal
  readonly timer: CallTimer
  readonly meta: CallMeta
}

export type AnyIterable<T> = AsyncIterable<T> | Iterable<T>

/** What a raw call gives back: a result, and bytes that follow. */
export interface RawAnswer<O> {
  readonly result: O
  readonly body: AnyIterable<Uint8Array>
}

/** The function behind a method of each kind. Input is what the peer sent: it is JSON, but its shape is unproven. */
export interface Handlers<I, O> {
  unary: (input: I, context: CallContext) => O | Promise<O>
  client: (input: AsyncIterableIterator<I>, context: CallContext) => O | Promise<O>
  server: (input: I, context: CallContext) => AnyIterable<O>
  duplex: (input: AsyncIterableIterator<I>, context: CallContext) => AnyIterable<O>
  raw: (input: I, body: ReadableStream<Uint8Array>, context: CallContext) => RawAnswer<O> | Promise<RawAnswer<O>>
}

declare const types: unique symbol

export interface MethodOptions {
  /** Milliseconds that a call may take; the registry's default unless given. The caller's own limit, if shorter, wins. */
  readonly timeoutMs?: number
  /**
   * Milliseconds for which a streaming call may wait for an item of the other side, or for the other side to take one;
   * the registry's default unless given, which is no limit. Each side counts for itself. Not for unary and raw calls.
   */
  readonly idleTimeoutMs?: number
  /**
   * A call may be made twice without harm. Where the method is called, one that is cut off is made again (for unary
   * methods of a `Peer`). Where it is offered, a call may be run before its caller's handshake is done, if the transport
   * takes early data: so it may be a copy, run once more and up to a minute late.
   */
  readonly idempotent?: boolean
  /** What it takes at a time, how often and how large; where it is offered. */
  readonly limits?: MethodLimits
  /** Classes of the errors that it fails with, as which they arrive at a caller that knows them by this. */
  readonly errors?: readonly RpcErrorClass[]
  /** Who may call it, where it is offered: everybody unless given. Others are told FORBIDDEN. */
  readonly allow?: AccessRule
  /** Whoever may not call it is told METHOD_NOT_FOUND instead, as if it were not there. */
  readonly hidden?: boolean
}

/**
 * What the messages of a method are: bytes, or JSON as any Standard Schema describes it. Each side checks what the other
 * has sent; of a stream each item is checked.
 */
export interface MethodMessages<
  In extends StandardSchemaV1 = StandardSchemaV1,
  Out extends StandardSchemaV1 = StandardSchemaV1
> {
  /** Checked where the method is offered; what it refuses is told INVALID_PARAMS with the issues, and no handler runs. */
  readonly input?: In | undefined
  /** Checked where the method is called; what it refuses fails with INTERNAL_ERROR, a `RpcError` of this side. */
  readonly output?: Out | undefined
  /**
   * Which messages are bytes, sent as they are and not in JSON: each message of that side is then a `Uint8Array`, a
   * copy of its own. Raw methods have bytes anyway. Both sides must say the same; who gets anything else refuses it.
   */
  readonly binary?: Binary | undefined
}

/** The sides of a method whose messages are bytes. */
export type Binary = 'input' | 'output' | 'both'

/** The sides that may be bytes by their types. */
type BinaryOf<I, O> = [I] extends [Uint8Array]
  ? [O] extends [Uint8Array]
    ? Binary
    : 'input'
  : [O] extends [Uint8Array]
    ? 'output'
    : never

/**
 * A method: its kind, its types and, where it is offered, its handler. Without a handler it describes a method of
 * another node. Both sides can share one map of methods.
 */
export interface Method<K extends MethodKind = MethodKind, I = unknown, O = unknown>
  extends MethodOptions, MethodMessages {
  readonly kind: K
  readonly handle?: Handlers<I, O>[K]
  readonly [types]?: { input: I; output: O }
}

// Methods of any types are kept together in maps; `any` is what makes a Method<K, I, O> assignable.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyMethod = { [K in MethodKind]: Method<K, any, any> }[MethodKind]

type InputOf<S extends StandardSchemaV1> = StandardSchemaV1.InferInput<S>
type OutputOf<S extends StandardSchemaV1> = StandardSchemaV1.InferOutput<S>

/** Makes methods of one kind: from a handler and options, or the other way round, where schemas give the types. */
export interface Define<K extends MethodKind> {
  <I, O>(
    handle?: Handlers<I, O>[K],
    options?: MethodOptions & { readonly binary?: K extends 'raw' ? never : BinaryOf<I, O> }
  ): Method<K, I, O>
  <In extends StandardSchemaV1, O>(
    options: MethodOptions & { readonly input: In; readonly output?: undefined; readonly binary?: Binary },
    handle?: Handlers<OutputOf<In>, O>[K]
  ): Method<K, InputOf<In>, O>
  <Out extends StandardSchemaV1, In extends StandardSchemaV1 = StandardSchemaV1>(
    options: MethodOptions & { readonly input?: In; readonly output: Out; readonly binary?: Binary },
    handle?: Handlers<OutputOf<In>, InputOf<Out>>[K]
  ): Method<K, InputOf<In>, OutputOf<Out>>
}

function define<K extends MethodKind>(kind: K): Define<K> {
  const make = (first?: object, second?: object): object => {
    const [handle, options] = typeof first === 'object' ? [second, first] : [first, second]
    return handle === undefined ? { ...options, kind } : { ...options, kind, handle }
  }
  return make as Define<K>
}

/**
 * One message in, one out.
 *
 * @example
 * const methods = { square: unary(({ value }: { value: number }) => ({ value: value ** 2 })) }
 * const remote = { square: unary<{ value: number }, { value: number }>() }
 * const checked = { square: unary({ input: z.object({ value: z.number() }) }, ({ value }) => ({ value: value ** 2 })) }
 */
export const unary = define('unary')
/** Many messages in, one out. */
export const client = define('client')
/** One message in, many out. */
export const server = define('server')
/** Many messages in, many out, in any order. */
export const duplex = define('duplex')
/** A message and bytes in, a message and bytes out. */
export const raw = define('raw')

/**
 * A handler written as a class, in the form of @matrixai/rpc: `UnaryHandler`, `ClientHandler`, `ServerHandler`,
 * `DuplexHandler` and `RawHandler`, exported by `peerloom`.
 */
export interface ClassHandler {
  handle(input: unknown, cancel: (reason?: unknown) => void, meta: CallMeta | undefined, ctx: CallContext): unknown
  timeout?: number
}

/** A caller written as an object of a class, in the form of @matrixai/rpc: `UnaryCaller` and its siblings. */
export interface ClassCaller<T extends Uppercase<MethodKind> = Uppercase<MethodKind>, I = unknown, O = unknown> {
  readonly type: T
  readonly [types]?: { input: I; output: O }
}

/** Methods to offer, by name. */
export type MethodMap = Readonly<Record<string, AnyMethod | ClassHandler>>

/** Methods to call, by name. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Manifest = Readonly<Record<string, AnyMethod | ClassCaller<Uppercase<MethodKind>, any, any>>>

/** A timer of whatever make (such as that of @matrixai/timer): only what is left of it is asked, once. */
export interface TimerLike {
  getTimeout(): number
}

export interface CallOptions extends CallPolicies {
  /** As in `MethodOptions`, for this call on this side; in place of what the manifest says. */
  readonly idleTimeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** How long the call may take: milliseconds, or a timer that has them. The shorter of both sides' limits wins. */
  readonly timer?: number | TimerLike | undefined
}

/** The answer of a raw call. */
export interface RawResponse<O> {
  readonly result: O
  readonly body: ReadableStream<Uint8Array>
}

/**
 * The function that calls a method of each kind. None throws; each ends (a promise rejects, an iterator at its next
 * step, a body when it is read)
 * - in an `RpcError` with what the other side said when that side fails,
 * - in the signal's reason when `signal` is aborted: itself if it is of our family, else the cause of an `ERR_ABORTED`,
 * - in `ERR_RPC_TIMEOUT` at its deadline, wherever the call then stands, and in `ERR_RPC_IDLE` after too long a pause,
 * - in `ERR_CONNECTION_CLOSED` when the connection ends, and in `ERR_ABORTED` when this node's registry stops,
 * - in `ERR_INVALID_INPUT` for an input that JSON cannot say, and in whatever a source of input throws.
 *
 * An iterator that is left early (`break`) and a body that is cancelled end their call, and the other side is told.
 * Sources are read no further than the other side reads.
 */
export interface Calls<I, O> {
  unary: (input: I, options?: CallOptions) => Promise<O>
  client: (input: AnyIterable<I>, options?: CallOptions) => Promise<O>
  server: (input: I, options?: CallOptions) => AsyncIterableIterator<O>
  duplex: (input: AnyIterable<I>, options?: CallOptions) => AsyncIterableIterator<O>
  raw: (input: I, body: AnyIterable<Uint8Array>, options?: CallOptions) => Promise<RawResponse<O>>
}

/** The call that belongs to one entry of a manifest. */
export type CallOf<M> =
  M extends Method<infer K, infer I, infer O>
    ? Calls<I, O>[K]
    : M extends ClassCaller<infer T, infer I, infer O>
      ? Calls<I, O>[Lowercase<T>]
      : never

/** The methods of another node as functions. */
export type Client<M extends Manifest> = { readonly [K in keyof M]: CallOf<M[K]> }
