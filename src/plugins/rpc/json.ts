import { isAscii, isUtf8 } from 'node:buffer'
import { RpcCode } from '../../kernel/index.js'
import { WireError } from './wire-error.js'

const QUOTE = 0x22
const BACKSLASH = 0x5c

/** The JSON value in UTF-8 `bytes`. Throws {@link WireError} with PARSE_ERROR for anything else, or one nested deeper than `maxDepth`. */
export function parseJson(bytes: Uint8Array, maxDepth: number): unknown {
  // Nesting is bounded before anything is built from it.
  if (bytes.length > maxDepth && depthOf(bytes, maxDepth) > maxDepth) {
    throw new WireError(`JSON nested deeper than ${String(maxDepth)} (maxJsonDepth)`, RpcCode.PARSE_ERROR)
  }
  if (!isUtf8(bytes)) throw new WireError('not JSON: not UTF-8', RpcCode.PARSE_ERROR)
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  try {
    return JSON.parse(buffer.toString(isAscii(buffer) ? 'latin1' : 'utf8'))
  } catch (cause) {
    throw new WireError('not JSON', RpcCode.PARSE_ERROR, { cause })
  }
}

/** How deep brackets are nested, looked at until `enough` is passed. */
function depthOf(bytes: Uint8Array, enough: number): number {
  let depth = 0
  let deepest = 0
  let inText = false
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number
    if (inText) {
      if (byte === BACKSLASH) i++
      else if (byte === QUOTE) inText = false
    } else if (byte === QUOTE) {
      inText = true
    } else if (byte === 0x5b || byte === 0x7b) {
      if (++depth > deepest) deepest = depth
      if (deepest > enough) return deepest
    } else if (byte === 0x5d || byte === 0x7d) {
      depth--
    }
  }
  return deepest
}

/** A value as JSON text; `undefined` if JSON has no word for it. Throws a TypeError for cycles and bigints. */
export const toJson = JSON.stringify as (value: unknown) => string | undefined
