import { PeerloomError, RpcCode, RpcError, type JsonValue } from '../../kernel/index.js'
import { MAX_CAUSES, type WireCause, type WireErrorObject } from './errors.js'
import { isObject } from './messages.js'
import { WireError } from './wire-error.js'

/** The code that @matrixai/rpc gives to whatever a handler threw. */
export const REMOTE = -32006
/** Its own code for a call that took too long, which it sends within `data`. */
const TIMED_OUT = -32008
/** The class of such an error. */
const TIMED_OUT_TYPE = 'ErrorRPCTimedOut'

/** The `error` member of a response. RPCClient looks at nothing but `data`, and makes of it what has this form only. */
interface MatrixErrorObject {
  readonly code: number
  readonly message: string
  readonly data: MatrixErrorData
}

interface MatrixErrorData {
  readonly type: string
  readonly message: string
  readonly code?: number
  readonly data: {
    /** Always empty: the package takes no error without one. */
    readonly stack: ''
    readonly code?: number | string
    readonly data?: JsonValue
    readonly cause?: MatrixErrorData
  }
}

/** An error as both sides' readers understand it. */
export function errorToMatrix(error: WireErrorObject): MatrixErrorObject {
  return { code: error.code, message: error.message, data: dataOf(error, error.data) }
}

function dataOf({ code, message, cause }: WireCause, data?: JsonValue): MatrixErrorData {
  const timedOut = code === RpcCode.TIMEOUT
  return {
    type: timedOut ? TIMED_OUT_TYPE : 'Error',
    message,
    ...(timedOut ? { code: TIMED_OUT } : {}),
    data: {
      stack: '',
      ...(code === undefined ? {} : { code }),
      ...(data === undefined ? {} : { data }),
      ...(cause === undefined ? {} : { cause: dataOf(cause) })
    }
  }
}

/**
 * The error that a peer sent. One that a handler of @matrixai/rpc threw has its class and its `data`, if any, as
 * `data: { type, data }`; its stack is left out. Throws {@link WireError} if it is none.
 */
export function errorFromMatrix(value: unknown): RpcError {
  const { code, message, data } = fields(value)
  if (!Number.isSafeInteger(code) || typeof message !== 'string') throw new WireError('not an error object')
  const theirs = typeof fields(data).type === 'string' && isObject(fields(data).data) ? fields(data) : undefined
  // An application may have its own form of errors.
  if (theirs === undefined) return new RpcError(codeOf(code as number, undefined), message, optionally(data))
  const inner = fields(theirs.data)
  const attached =
    code === REMOTE ? { type: theirs.type, ...(inner.data === undefined ? {} : { data: inner.data }) } : inner.data
  return new RpcError(codeOf(code as number, theirs.type), message, {
    ...optionally(attached),
    ...causeIn(inner, MAX_CAUSES)
  })
}

function codeOf(code: number, type: unknown): number {
  if (code !== REMOTE) return code
  return type === TIMED_OUT_TYPE ? RpcCode.TIMEOUT : RpcCode.HANDLER_FAILED
}

function optionally(data: unknown): { data?: JsonValue } {
  return data === undefined ? {} : { data: data as JsonValue }
}

function causeIn({ cause }: Fields, left: number): ErrorOptions {
  const { message, data } = fields(cause)
  if (left === 0 || typeof message !== 'string') return {}
  const inner = fields(data)
  const { code } = inner
  const options = causeIn(inner, left - 1)
  return {
    cause: Number.isSafeInteger(code)
      ? new RpcError(code as number, message, options)
      : new PeerloomError(typeof code === 'string' ? code : 'ERR_RPC', message, options)
  }
}

type Fields = Partial<Record<string, unknown>>

function fields(value: unknown): Fields {
  return isObject(value) ? value : {}
}
