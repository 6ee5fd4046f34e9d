import { isUtf8 } from 'node:buffer'
import { RpcCode } from '../../kernel/index.js'
import { WireError } from './wire-error.js'

const QUOTE = 0x22
const BACKSLASH = 0x5c

/**
 * The JSON value in the UTF-8 between two places of `bytes`, all of it unless given. Throws {@link WireError} with
 * PARSE_ERROR for anything else, or one nested deeper than `maxDepth`.
 */
export function parseJson(bytes: Uint8Array, maxDepth: number, from = 0, to = bytes.length): unknown {
  // Nesting is bounded before anything is built from it.
  const ascii = look(bytes, maxDepth, from, to)
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  if (!ascii && !isUtf8(buffer.subarray(from, to))) throw new WireError('not JSON: not UTF-8', RpcCode.PARSE_ERROR)
  try {
    return JSON.parse(buffer.toString(ascii ? 'latin1' : 'utf8', from, to))
  } catch (cause) {
    throw new WireError('not JSON', RpcCode.PARSE_ERROR, { cause })
  }
}

/** Whether it is ASCII, which is read faster. Throws {@link WireError} where brackets are nested deeper than `maxDepth`. */
function look(bytes: Uint8Array, maxDepth: number, from: number, to: number): boolean {
  let depth = 0
  let inText = false
  let all = 0
  for (let i = from; i < to; i++) {
    const byte = bytes[i] as number
    all |= byte
    if (inText) {
      // What is escaped is a letter, a quote or a backslash; anything else is no JSON.
      if (byte === BACKSLASH) i++
      else if (byte === QUOTE) inText = false
    } else if (byte === QUOTE) {
      inText = true
    } else if (byte === 0x5b || byte === 0x7b) {
      if (++depth > maxDepth) {
        throw new WireError(`JSON nested deeper than ${String(maxDepth)} (maxJsonDepth)`, RpcCode.PARSE_ERROR)
      }
    } else if (byte === 0x5d || byte === 0x7d) {
      depth--
    }
  }
  return all < 0x80
}

/** A value as JSON text; `undefined` if JSON has no word for it. Throws a TypeError for cycles and bigints. */
export const toJson = JSON.stringify as (value: unknown) => string | undefined
