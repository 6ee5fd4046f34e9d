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

/** What a namespace may take. */
export interface NamespaceLimits {
  /**
   * Bytes that its entries and those of all namespaces inside it may take together, keys and about 100 for each entry
   * included. What would make it larger rejects with `ERR_STORE`. Holds for what is written through the store that
   * `namespace` returned, whoever wrote the rest.
   */
  readonly maxBytes?: number
}

/**
 * Small values by key. Keys are non-empty strings of at most 512 UTF-8 bytes, ordered by their UTF-8 bytes; values are
 * bytes, copied on the way in and out. Every method rejects with `ERR_STORE`, or `ERR_INVALID_INPUT` for a bad key.
 *
 * What `put`, `delete` and `batch` have acknowledged is there after a crash, if the implementation is on disk. What
 * they have rejected with `ERR_STORE` because the disk failed is there as a whole or not at all.
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
  /**
   * A store of its own inside this one; its keys are apart from all others'. `name` has no `/`, is not empty, and has at
   * most 512 bytes in UTF-8; throws `ERR_INVALID_INPUT`. A plugin keeps to a namespace of its own, with a limit.
   */
  namespace(name: string, limits?: NamespaceLimits): Store
}

export const Store = token<Store>('Store')
