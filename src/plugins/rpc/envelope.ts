import { parseJson } from './json.js'
import { asRequest, RESULT_HEAD, resultOf, type Request } from './messages.js'

// Most of a small message is its envelope, which is nearly always the same. One whose bytes are known need not be parsed:
// if what stands between its head and its tail is a JSON value, the whole is the message that it seems to be.

const RESULT_HEAD_BYTES = Buffer.from(RESULT_HEAD)
const CLOSING = Buffer.from('}')

/** The result in a response between two places; throws the error that it says instead, or WireError. */
export function resultBetween(bytes: Uint8Array, from: number, to: number, maxDepth: number): unknown {
  const result = valueWithin(RESULT_HEAD_BYTES, CLOSING, bytes, from, to, maxDepth)
  return result === undefined ? resultOf(parseJson(bytes, maxDepth, from, to)) : result
}

/** Reads the requests that come one after another from one caller. */
export class RequestReader {
  #head = CLOSING
  #tail = CLOSING
  #known: Request | undefined
  #last: Request | undefined

  constructor(private readonly maxDepth: number) {}

  /** The request between two places. Throws WireError. */
  read(bytes: Uint8Array, from: number, to: number): Request {
    const { maxDepth } = this
    const known = this.#known
    if (known !== undefined) {
      const params = valueWithin(this.#head, this.#tail, bytes, from, to, maxDepth)
      if (params !== undefined) {
        return { jsonrpc: '2.0', id: known.id, method: known.method, params, metadata: known.metadata }
      }
    }
    const request = asRequest(parseJson(bytes, maxDepth, from, to))
    // One that comes twice may come a third time.
    if (request.method === this.#last?.method && request.metadata?.timeout === this.#last.metadata?.timeout) {
      this.#remember(request)
    }
    this.#last = request
    return request
  }

  /** What the envelope would be if it was written as we write it; another one is never found again. */
  #remember(request: Request): void {
    const { id, method, metadata } = request
    this.#known = request
    this.#head = Buffer.from(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"method":${JSON.stringify(method)},"params":`)
    this.#tail = Buffer.from(metadata === undefined ? '}' : `,"metadata":${JSON.stringify(metadata)}}`)
  }
}

/** The JSON value between a head and a tail; `undefined` if they are others, or if it is none. */
function valueWithin(
  head: Uint8Array,
  tail: Uint8Array,
  bytes: Uint8Array,
  from: number,
  to: number,
  maxDepth: number
): unknown {
  const start = from + head.length
  const end = to - tail.length
  if (end <= start || !stands(head, bytes, from) || !stands(tail, bytes, end)) return undefined
  try {
    return parseJson(bytes, maxDepth - 1, start, end)
  } catch {
    // Whoever parses the whole will say what is wrong, if anything is.
    return undefined
  }
}

function stands(part: Uint8Array, bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < part.length; i++) if (part[i] !== bytes[at + i]) return false
  return true
}
