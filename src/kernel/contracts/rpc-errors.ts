import { PeerloomError } from '../../model/index.js'
import type { JsonValue } from './rpc-methods.js'

/**
 * JSON-RPC 2.0 error codes, and ours, from -32049 to -32000 in the range that it leaves to servers. They cross the wire
 * and never change. Applications take any integer outside of -32768 to -32000.
 */
export const RpcCode = {
  PARSE_ERROR: -32700,
  INVALID_REQUEST: -32600,
  METHOD_NOT_FOUND: -32601,
  INVALID_PARAMS: -32602,
  INTERNAL_ERROR: -32603,
  /** The handler threw; message and data are its own. */
  HANDLER_FAILED: -32000,
  /** The call took longer than the shorter of both sides' limits. */
  TIMEOUT: -32001,
  /** The caller gave up, or the plugin that offers the method is stopping. */
  CANCELLED: -32002,
  /** The node has too much to do. */
  BUSY: -32003,
  /** The caller may not call this method. */
  FORBIDDEN: -32004,
  /** No item of a streaming call came, or was taken, for too long. */
  IDLE: -32005
} as const

/** The stable codes of those that have one of their own. */
const CODES: ReadonlyMap<number, string> = new Map([
  [RpcCode.TIMEOUT, 'ERR_RPC_TIMEOUT'],
  [RpcCode.IDLE, 'ERR_RPC_IDLE']
])

export interface RpcErrorOptions extends ErrorOptions {
  readonly data?: JsonValue | undefined
  /** Made by this side, not received from the other. */
  readonly local?: boolean
}

/**
 * A call failed. A handler throws it to choose what its caller sees; a caller is given it with what the handler said.
 * `rpcCode` is the JSON-RPC code, `data` whatever the handler attached. Never carries a stack trace over the wire.
 */
export class RpcError extends PeerloomError {
  override readonly name: string = 'RpcError'
  readonly data: JsonValue | undefined

  constructor(
    readonly rpcCode: number,
    message: string,
    options: RpcErrorOptions = {}
  ) {
    super(CODES.get(rpcCode) ?? 'ERR_RPC', message, options)
    this.data = options.data
  }
}

/** Whether a code is JSON-RPC's or ours, and not for applications. */
export function isReservedRpcCode(rpcCode: number): boolean {
  return rpcCode >= -32768 && rpcCode <= -32000
}

/**
 * A class of errors that both sides know. A handler throws one; it arrives as an instance of the class that the caller
 * has for its code, with message, data and cause. If the class throws when it is built, or nobody knows the code, it
 * arrives as an {@link RpcError}.
 *
 * @example
 * class OutOfStock extends RpcError {
 *   static readonly rpcCode = 1001
 *   constructor(message: string, options?: RpcErrorOptions) {
 *     super(OutOfStock.rpcCode, message, options)
 *   }
 * }
 */
export interface RpcErrorClass {
  /** Any integer outside of -32768 to -32000. */
  readonly rpcCode: number
  new (message: string, options: RpcErrorOptions): RpcError
}
