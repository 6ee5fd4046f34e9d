import { isObject, jsonOf } from './messages.js'
import { errorFromMatrix, errorToMatrix } from './matrix-errors.js'
import type { WireErrorObject } from './errors.js'
import { WireError } from './wire-error.js'

/** A request as @matrixai/rpc says it. `params` is JSON already, or absent. */
export function requestBytes(method: string, params: string | undefined): Uint8Array {
  const input = params === undefined ? '' : `,"params":${params}`
  return Buffer.from(`{"jsonrpc":"2.0","method":${JSON.stringify(method)}${input},"id":null}`)
}

export function resultBytes(result: unknown): Uint8Array {
  return Buffer.from(`{"jsonrpc":"2.0","result":${jsonOf(result)},"id":null}`)
}

export function errorBytes(error: WireErrorObject): Uint8Array {
  return Buffer.from(`{"jsonrpc":"2.0","error":${JSON.stringify(errorToMatrix(error))},"id":null}`)
}

/** The result in a response; throws the error in it, or {@link WireError}. */
export function resultIn(value: unknown): unknown {
  if (!isObject(value) || value.jsonrpc !== '2.0') throw new WireError('not a JSON-RPC 2.0 response')
  if (value.error !== undefined) throw errorFromMatrix(value.error)
  if (value.result === undefined) throw new WireError('a response without a result')
  return value.result
}

/** Whether a value is one of the requests behind the first, each with a message. */
export function isRequest(value: unknown): value is { readonly params?: unknown } {
  return isObject(value) && value.jsonrpc === '2.0' && typeof value.method === 'string'
}

/**
 * An input with the caller's limit in its `metadata.timeout`, where the package looks for it, unless it has a shorter one;
 * or as it is, if it is no object or has a `metadata` that is none. In JSON, as the input is.
 */
export function withTimeout(params: string | undefined, timeoutMs: number): string | undefined {
  if (timeoutMs === Infinity || params?.startsWith('{') !== true) return params
  const limit = Math.ceil(timeoutMs)
  if (!params.includes('"metadata"')) {
    return `{"metadata":{"timeout":${String(limit)}}${params === '{}' ? '' : ','}${params.slice(1)}`
  }
  const input = JSON.parse(params) as { metadata?: unknown }
  const { metadata = {} } = input
  if (!isObject(metadata)) return params
  const own = metadata.timeout
  const timeout = typeof own === 'number' && own >= 0 ? Math.min(own, limit) : limit
  return JSON.stringify({ ...input, metadata: { ...metadata, timeout } })
}
