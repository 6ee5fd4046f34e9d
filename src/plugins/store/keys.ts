import { InvalidInputError } from '../../kernel/index.js'

/** Longest key, and longest name of a namespace, in UTF-8 bytes. */
export const MAX_KEY_BYTES = 512

/** A UTF-16 surrogate without its other half: it has no UTF-8 form, so that two keys would become one. */
const LONE_SURROGATE = /\p{Surrogate}/u

/**
 * A key's UTF-8 bytes as one character each, so that JavaScript's own order of strings, by UTF-16 units, is the order
 * of bytes.
 */
function encodeText(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}

export function decodeText(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8')
}

/** A key as its bytes; throws `ERR_INVALID_INPUT`. */
export function encodeKey(key: string): string {
  return encodeChecked(key, 'key')
}

/** An end of a range as its bytes: any text, since it only has a place among keys; throws `ERR_INVALID_INPUT`. */
export function encodeBound(bound: unknown): string {
  if (typeof bound !== 'string') throw new InvalidInputError('an end of a range of keys is a string')
  return encodeText(bound)
}

/** A namespace's name as its bytes; throws `ERR_INVALID_INPUT`. */
export function encodeName(name: string): string {
  const encoded = encodeChecked(name, 'name of a namespace')
  if (name.includes('/')) throw new InvalidInputError(`the name of a namespace has no "/": ${JSON.stringify(name)}`)
  return encoded
}

function encodeChecked(text: unknown, what: string): string {
  if (typeof text !== 'string' || text === '') throw new InvalidInputError(`a ${what} is a string that is not empty`)
  // The first test spares encoding what is far too long.
  const encoded = text.length > MAX_KEY_BYTES ? undefined : encodeText(text)
  if (encoded === undefined || encoded.length > MAX_KEY_BYTES) {
    throw new InvalidInputError(`a ${what} has at most ${MAX_KEY_BYTES} bytes in UTF-8`)
  }
  if (LONE_SURROGATE.test(text)) throw new InvalidInputError(`a ${what} is well-formed Unicode`)
  return encoded
}
