import { token } from '../token.js'

/** One change of a {@link Store.batch}. */
export type StoreChange =
  | { readonly type: 'put'; readonly key: string; readonly value: Uint8Array }
  | { readonly type: 'delete'; readonly key: string }

/** Which keys {@link Store.entries} gives: from `from` (inclusive) to `to` (exclusive), at most `limit`. */
export interface StoreRange {
  readonly from?: string
  readonly to?: string
  readonly limit?: number
}

/**
 * Small values by key. Keys are non-empty strings of at most 512 UTF-8 bytes, ordered by their UTF-8 bytes; values are
 * bytes, copied on the way in and out. Every method rejects with `ERR_STORE`, or `ERR_INVALID_INPUT` for a bad key.
 *
 * What `put`, `delete` and `batch` have acknowledged is there after a crash, if the implementation is on disk.
 */
export interface Store {
  /** The value, or `undefined`. */
  get(key: string): Promise<Uint8Array | undefined>
  put(key: string, value: Uint8Array): Promise<void>
  /** Does nothing if there is no such key. */
  delete(key: string): Promise<void>
  /** All of the changes or none. */
  batch(changes: readonly StoreChange[]): Promise<void>
  /** Entries in key order. What changes meanwhile may or may not be seen. */
  entries(range?: StoreRange): AsyncIterable<readonly [key: string, value: Uint8Array]>
  /** A store of its own inside this one; its keys are apart from all others'. `name` has no `/` and is not empty. */
  namespace(name: string): Store
}

export const Store = token<Store>('Store')
