import { token } from '../token.js'

/** One change of a {@link Store.batch}. */
export type StoreChange =
  | { readonly type: 'put'; readonly key: string; readonly value: Uint8Array }
  | { readonly type: 'delete'; readonly key: string }

/**
 * Which keys {@link Store.entries} gives: from `from` (inclusive) to `to` (exclusive), at most `limit`, an integer from
 * 0. The ends are any strings, the empty one included; if `from` is not before `to`, there is nothing between them.
 */
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
 * Small values by key. Keys are non-empty, well-formed strings (no lone surrogates) of at most 512 UTF-8 bytes, ordered
 * by their UTF-8 bytes; values are `Uint8Array`s. What is handed in is copied before the call returns, and what comes
 * out is the caller's own.
 *
 * Changes take effect in the order in which they were asked for. Whoever reads sees at least those that were acknowledged
 * when it was asked.
 *
 * Every method rejects with `ERR_INVALID_INPUT` for a bad key, value, change or range, and with `ERR_STORE` if the store
 * cannot be read or written: it is full, it is damaged, or its plugin has stopped. A change that was refused has changed
 * nothing.
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
  /** All of the changes or none, one after the other: the last change of a key is the one that counts. */
  batch(changes: readonly StoreChange[]): Promise<void>
  /**
   * Entries in key order. What changes meanwhile may or may not be seen; what does not is seen exactly once. The loop
   * may be left at any entry, and an iterator that nobody finishes keeps the store neither busy nor from stopping.
   */
  entries(range?: StoreRange): AsyncIterable<readonly [key: string, value: Uint8Array]>
  /**
   * A store of its own inside this one; its keys are apart from all others', however they are spelled, and may be as
   * long. The same name is the same store. Throws `ERR_INVALID_INPUT` unless `name` is as a key is and has no `/`, and
   * a limit an integer from 0. A plugin keeps to a namespace of its own, with a limit.
   */
  namespace(name: string, limits?: NamespaceLimits): Store
}

export const Store = token<Store>('Store')
