import type { NodeId } from '../../model/index.js'
import { token } from '../token.js'
import type { CallOptions, Client, Manifest, MethodKind, MethodMap, MethodOptions } from './rpc-methods.js'
import type { RpcErrorClass } from './rpc-errors.js'
import type { MethodLimits } from './rpc-limits.js'
import type { ClientMiddleware, ServerMiddleware } from './rpc-middleware.js'
import type { CallPolicies } from './rpc-policies.js'
import type { Connection } from './transport.js'

export interface RegisterOptions {
  /** Put before each name with a dot: `kad` makes `kad.ping`. Names are flat without it. */
  readonly namespace?: string
  /** What holds for every one of these methods, classes included, that does not say otherwise itself. */
  readonly defaults?: MethodOptions
  /** Middleware of these methods, inside of what `use` of the registry has added; the first is the outermost. */
  readonly use?: readonly ServerMiddleware[]
}

/** `retry` and `hedge` are for those of the methods that are unary and marked `idempotent`. */
export interface ClientOptions extends CallPolicies {
  /** As in `register`. */
  readonly namespace?: string
  /** Middleware of these calls, each made at once, repetitions too; the first is the outermost. */
  readonly use?: readonly ClientMiddleware[]
  /** Classes of errors for all of these methods, beside those that they name themselves. */
  readonly errors?: readonly RpcErrorClass[]
  /** Who is called: for middleware to know where the target is a function. */
  readonly peer?: NodeId
}

/** What a peer says of one of its methods. */
export interface MethodDescription {
  /** The name on the wire. */
  readonly name: string
  readonly kind: MethodKind
  /** Milliseconds that a call may take, if the method has a limit of its own. */
  readonly timeoutMs?: number
  readonly idempotent?: boolean
  readonly limits?: MethodLimits
}

/** A connection to call on, or a function that gives one when a call is made. */
export type RpcTarget = Connection | ((options: { signal?: AbortSignal | undefined }) => Promise<Connection>)

/**
 * Methods offered by this node, and calls to those of others, both directions on one connection.
 *
 * Each plugin has its own view (`[forPlugin]`): when it stops, what it registered is taken back, and calls that are
 * under way to it end with `CANCELLED`; those to other plugins go on. To register after that throws `ERR_STATE`.
 */
export interface RpcRegistry {
  /**
   * Offers methods, at once and on all connections, until the returned function is called; calls that are under way
   * then finish. The map is read once. Throws `ERR_INVALID_INPUT` and offers none of them if one of the names is taken
   * or malformed (1 to 128 letters, digits, `_`, `.` and `-`, the namespace included; `rpc.` is reserved), or if a
   * method has no handler, no kind, or an option that cannot be.
   */
  register(methods: MethodMap, options?: RegisterOptions): () => void
  /**
   * The methods of another node as functions. Throws `ERR_INVALID_INPUT` for a name or an
   * entry that cannot be. A target that is a function is asked for each call, and its rejection is the call's.
   */
  client<const M extends Manifest>(target: RpcTarget, manifest: M, options?: ClientOptions): Client<M>
  /**
   * What another node offers to this one, by its own account (`rpc.methods`): what this node may not call is not there.
   * Rejects as a unary call does; with METHOD_NOT_FOUND if that node lists nothing.
   */
  methodsOf(target: RpcTarget, options?: CallOptions): Promise<MethodDescription[]>
  /**
   * Puts middleware around all methods of the node, whoever offers them, `kad.ping` included (`call.plugin` tells),
   * those that are offered later too, until the returned function is called or the plugin stops that asked for it. The
   * first is the outermost. Calls that are under way keep what they began with.
   */
  use(middleware: ServerMiddleware): () => void
  /**
   * What is offered now: each wire name, its kind, and the plugin that registered it (`application` if it was none).
   */
  readonly methods: readonly { readonly name: string; readonly kind: string; readonly plugin: string }[]
}

export const RpcRegistry = token<RpcRegistry>('RpcRegistry')
