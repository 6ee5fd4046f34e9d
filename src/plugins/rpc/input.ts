import { InvalidInputError, messageOf } from '../../kernel/index.js'
import { toJson } from './json.js'

/** An input as JSON text; nothing if it is `undefined`. Throws `ERR_INVALID_INPUT`. */
export function inputText(input: unknown): string | undefined {
  try {
    return toJson(input)
  } catch (cause) {
    throw new InvalidInputError(`an input that is not JSON: ${messageOf(cause)}`, { cause })
  }
}

/** An input that is bytes. Throws `ERR_INVALID_INPUT` for any other. */
export function inputBytes(method: string, input: unknown): Uint8Array {
  if (input instanceof Uint8Array) return input
  throw new InvalidInputError(`${method} takes bytes (Uint8Array)`)
}
