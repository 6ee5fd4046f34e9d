import { base32hex } from 'multiformats/bases/base32'
import { InvalidInputError } from './errors.js'

declare const brand: unique symbol

/**
 * The name of a node: its 32-byte Ed25519 public key in multibase base32hex (`v` and 52 characters).
 *
 * It is a string, so it compares with `===`, keys a `Map` and prints as itself; only {@link NodeId.parse} and
 * {@link NodeId.fromBytes} make one, so a `NodeId` is always well-formed.
 */
export type NodeId = string & { readonly [brand]: 'NodeId' }

/** Length of a node id in bytes (an Ed25519 public key, RFC 8032). */
export const NODE_ID_BYTES = 32

const NODE_ID_TEXT = /^v[0-9a-v]{52}$/

function parse(text: string): NodeId {
  if (typeof (text as unknown) !== 'string' || !NODE_ID_TEXT.test(text)) {
    throw new InvalidInputError(`not a node id: ${excerpt(text)} (expected "v" and 52 characters of 0-9, a-v)`)
  }
  try {
    // Refuses the second spelling of the same key: 52 characters carry 4 bits more than a key has.
    base32hex.decode(text)
  } catch (cause) {
    throw new InvalidInputError(`not a node id: ${excerpt(text)} (its last character holds stray bits)`, { cause })
  }
  return text as NodeId
}

function fromBytes(bytes: Uint8Array): NodeId {
  if (bytes.length !== NODE_ID_BYTES) {
    throw new InvalidInputError(`a node id has ${String(NODE_ID_BYTES)} bytes, not ${String(bytes.length)}`)
  }
  return base32hex.encode(bytes) as NodeId
}

function toBytes(id: NodeId): Uint8Array {
  return base32hex.decode(id)
}

function is(value: unknown): value is NodeId {
  if (typeof value !== 'string') return false
  try {
    parse(value)
    return true
  } catch {
    return false
  }
}

function excerpt(text: unknown): string {
  if (typeof text !== 'string') return String(text)
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text)
}

/** Makes and takes apart node ids. `parse` and `fromBytes` throw {@link InvalidInputError}. */
export const NodeId = {
  /** A node id from its text; throws `ERR_INVALID_INPUT` on anything but the canonical spelling. */
  parse,
  /** A node id from the 32 bytes of a public key. */
  fromBytes,
  /** The 32 bytes of the public key. */
  toBytes,
  /** Whether a value is the canonical text of a node id. */
  is,
  /** The first characters, for a person to tell nodes apart in a log. */
  short: (id: NodeId): string => id.slice(0, 9)
}
