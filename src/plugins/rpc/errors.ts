import { inspect } from 'node:util'
import { InvalidInputError, messageOf, PeerloomError, RpcCode, RpcError, type JsonValue } from '../../kernel/index.js'
import { toJson } from './json.js'
import { WireError } from './wire-error.js'

/** Longest message of an error that leaves this node, in characters. */
export const MAX_MESSAGE_LENGTH = 1000
/** Longest chain of causes that leaves this node. */
export const MAX_CAUSES = 4

export interface WireCause {
  /** A JSON-RPC code, or a stable code such as `ERR_DIAL`. */
  readonly code?: number | string
  readonly message: string
  readonly cause?: WireCause
}

/** The `error` member of a response. */
export interface WireErrorObject extends WireCause {
  readonly code: number
  readonly data?: JsonValue
}

/**
 * What was thrown as an error that can be looked at. Anything can be thrown, even an object whose members throw when
 * they are read, and to fail at telling of a failure would end the process.
 */
export function asError(thrown: unknown): Error {
  try {
    errorToWire(thrown)
    if (thrown instanceof Error) return thrown
    return new PeerloomError('ERR_RPC', `something other than an error was thrown: ${inspect(thrown, { depth: 1 })}`)
  } catch {
    return new PeerloomError('ERR_RPC', 'something that cannot be read was thrown')
  }
}

/** An error as the caller may see it: never a stack, and no paths of this machine but those a handler chose to say. */
export function errorToWire(error: unknown): WireErrorObject {
  const cause = causeToWire(error, MAX_CAUSES)
  const common = { message: messageToWire(error), ...(cause === undefined ? {} : { cause }) }
  if (error instanceof WireError) return { ...common, code: error.rpcCode }
  if (error instanceof InvalidInputError) return { ...common, code: RpcCode.INVALID_PARAMS }
  if (!(error instanceof RpcError)) return { ...common, code: RpcCode.HANDLER_FAILED }
  const code = Number.isSafeInteger(error.rpcCode) ? error.rpcCode : RpcCode.HANDLER_FAILED
  const data = dataToWire(error.data)
  return { ...common, code, ...(data === undefined ? {} : { data }) }
}

function causeToWire(error: unknown, left: number): WireCause | undefined {
  if (!(error instanceof Error) || error.cause === undefined || left === 0) return undefined
  const cause = causeToWire(error.cause, left - 1)
  const code = codeOf(error.cause)
  return {
    ...(code === undefined ? {} : { code }),
    message: messageToWire(error.cause),
    ...(cause === undefined ? {} : { cause })
  }
}

function codeOf(error: unknown): number | string | undefined {
  if (error instanceof RpcError) return error.rpcCode
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' && /^[A-Z][A-Z0-9_]{1,60}$/.test(code) ? code : undefined
}

function messageToWire(error: unknown): string {
  // What is thrown can be anything, even something whose message is no text.
  const message: unknown = describe(error)
  const text = (typeof message === 'string' ? message : 'unknown failure').slice(0, MAX_MESSAGE_LENGTH)
  return error instanceof RpcError ? text : redactPaths(text)
}

function describe(error: unknown): unknown {
  try {
    return messageOf(error)
  } catch {
    return undefined
  }
}

function dataToWire(data: JsonValue | undefined): JsonValue | undefined {
  try {
    return toJson(data) === undefined ? undefined : data
  } catch {
    return undefined
  }
}

/** A text without absolute paths: quoted ones with all that is in the quotes, others up to the next blank. */
export function redactPaths(text: string): string {
  return text
    .replace(/(['"`])(?:file:\/\/)?(?:\/|[A-Za-z]:[\\/])[^'"`]*\1/g, '$1[path]$1')
    .replace(/file:\/\/[^\s'"`)]+/g, '[path]')
    .replace(/(?<![\w./\\:])(?:\/|[A-Za-z]:[\\/]|\\\\)[^\s'"`),;/\\][^\s'"`),;]*/g, '[path]')
}

/** The error that a peer sent. Throws {@link WireError} if it is none. */
export function errorFromWire(value: unknown): RpcError {
  const { code, message, data, cause } = fields(value)
  if (!Number.isSafeInteger(code) || typeof message !== 'string') throw new WireError('not an error object')
  return new RpcError(code as number, message, {
    ...(data === undefined ? {} : { data: data as JsonValue }),
    ...causeFromWire(cause, MAX_CAUSES)
  })
}

function causeFromWire(value: unknown, left: number): ErrorOptions {
  if (left === 0) return {}
  const { code, message, cause } = fields(value)
  if (typeof message !== 'string') return {}
  const options = causeFromWire(cause, left - 1)
  return {
    cause:
      typeof code === 'number'
        ? new RpcError(code, message, options)
        : new PeerloomError(typeof code === 'string' ? code : 'ERR_RPC', message, options)
  }
}

function fields(value: unknown): Partial<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? value : {}
}
