import { InvalidInputError, type StoreChange, type StoreRange } from '../../kernel/index.js'
import { encodeBound, encodeKey } from './keys.js'

/** Values by encoded keys; `undefined` deletes. */
export type Changes = ReadonlyMap<string, Uint8Array | undefined>

/** A batch with its keys encoded and its values copied, the last change of each key; throws `ERR_INVALID_INPUT`. */
export function encodeChanges(changes: readonly StoreChange[]): Changes {
  const encoded = new Map<string, Uint8Array | undefined>()
  for (const change of changes) {
    const { type, key, value } = fieldsOf(change)
    // An unknown change taken for a deletion would lose data.
    if (type !== 'put' && type !== 'delete') throw new InvalidInputError('a change is a "put" or a "delete"')
    encoded.set(encodeKey(key as string), type === 'put' ? copyOf(value) : undefined)
  }
  return encoded
}

/** A range with its ends encoded; throws `ERR_INVALID_INPUT`. */
export function encodeRange({ from, to, limit = Infinity }: StoreRange): {
  from: string | undefined
  to: string | undefined
  limit: number
} {
  if (!(limit === Infinity || (Number.isInteger(limit) && limit >= 0))) {
    throw new InvalidInputError(`not a limit of entries: ${String(limit)} (expected an integer from 0)`)
  }
  return {
    from: from === undefined ? undefined : encodeBound(from),
    to: to === undefined ? undefined : encodeBound(to),
    limit
  }
}

function fieldsOf(change: unknown): Partial<Record<string, unknown>> {
  return typeof change === 'object' && change !== null ? change : {}
}

function copyOf(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new InvalidInputError('a value is a Uint8Array')
  // Not `value.slice()`, which for a Buffer is no copy.
  return new Uint8Array(value)
}
