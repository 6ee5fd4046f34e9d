import { toJson } from './json.js'
import { FrameType, textFrame } from './frames.js'
import { errorFromWire, type WireErrorObject } from './errors.js'
import { WireError } from './wire-error.js'

export type MessageId = string | number | null

/** A request as it came. */
export interface Request {
  readonly jsonrpc: '2.0'
  readonly id: MessageId
  readonly method: string
  readonly params?: unknown
  readonly metadata?: { readonly timeout?: number | null } | undefined
}

/** The id of every request: it is alone on its stream, or told apart on a lane by another number. */
const ONLY_ID = 1
/** How a successful response begins. */
export const RESULT_HEAD = `{"jsonrpc":"2.0","id":${String(ONLY_ID)},"result":`

/** A request as text. `params` is JSON already, or absent; `timeoutMs` of Infinity is left out. */
export function requestText(method: string, params: string | undefined, timeoutMs: number): string {
  const input = params === undefined ? '' : `,"params":${params}`
  // Whole milliseconds, and never less than the caller itself waits.
  const limit = timeoutMs === Infinity ? '' : `,"metadata":{"timeout":${String(Math.ceil(timeoutMs))}}`
  // A method's name has no character that JSON escapes.
  return `{"jsonrpc":"2.0","id":${String(ONLY_ID)},"method":"${method}"${input}${limit}}`
}

/** A successful response as text. */
export function resultText(id: MessageId, result: unknown): string {
  if (id === ONLY_ID) return `${RESULT_HEAD}${jsonOf(result)}}`
  return `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${jsonOf(result)}}`
}

/** A successful response whose result is sent as bytes. */
export function binaryResultText(id: MessageId): string {
  return `{"jsonrpc":"2.0","id":${JSON.stringify(id)}}`
}

/** A value as JSON text. What JSON cannot say, `undefined` above all, is null. Throws a TypeError for cycles and bigints. */
export function jsonOf(value: unknown): string {
  return toJson(value) ?? 'null'
}

export function errorText(id: MessageId, error: WireErrorObject): string {
  return `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"error":${JSON.stringify(error)}}`
}

type Fields = Partial<Record<string, unknown>>

export function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Checks a request. Throws {@link WireError} with INVALID_REQUEST. */
export function asRequest(value: unknown): Request {
  if (!isObject(value) || value.jsonrpc !== '2.0') throw new WireError('not a JSON-RPC 2.0 request')
  const { id, method, metadata } = value
  if (typeof method !== 'string') throw new WireError('a request without a method')
  if (typeof id !== 'string' && typeof id !== 'number' && id !== null) throw new WireError('a request without an id')
  if (metadata !== undefined && !isMetadata(metadata)) {
    throw new WireError('metadata.timeout is not a number of milliseconds from 0')
  }
  return value as unknown as Request
}

function isMetadata(metadata: unknown): boolean {
  if (!isObject(metadata)) return false
  const { timeout } = metadata
  return timeout === undefined || timeout === null || (typeof timeout === 'number' && timeout >= 0)
}

/** The result in a response; throws the error in it, or {@link WireError}. */
export function resultOf(value: unknown): unknown {
  if (!isObject(value) || value.jsonrpc !== '2.0') throw new WireError('not a JSON-RPC 2.0 response')
  const { error } = value
  if (error !== undefined) throw errorFromWire(error)
  if (value.result === undefined) throw new WireError('a response to nothing that was asked')
  checkResponse(value)
  return value.result
}

/** An error may have a null id, when the request could not be read; a result must belong to our request. */
export function checkResponse({ jsonrpc, id }: Fields): void {
  if (jsonrpc !== '2.0' || id !== ONLY_ID) throw new WireError('a response to nothing that was asked')
}

/** A frame with a JSON-RPC object. */
export function messageFrame(text: string, last: boolean): Uint8Array {
  return textFrame(FrameType.MESSAGE, text, last)
}
