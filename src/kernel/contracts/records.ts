import type { Observable } from 'rxjs'
import type { Contact } from '../../model/index.js'
import { token } from '../token.js'

export interface RecordOptions {
  readonly signal?: AbortSignal | undefined
}

/** Values and providers in the distributed hash table. No plugin fulfils this contract yet. */
export interface Records {
  /** Stores an immutable value at the nodes nearest to its key, the value's SHA-256, which is returned. */
  put(value: Uint8Array, options?: RecordOptions): Promise<Uint8Array>
  /** The value of a key; rejects with `ERR_NOT_FOUND`. */
  get(key: Uint8Array, options?: RecordOptions): Promise<Uint8Array>
  /** Says that this node provides what the key names, until the returned function is called. */
  provide(key: Uint8Array, options?: RecordOptions): Promise<() => void>
  /** Nodes that provide what the key names, as they are found. */
  providers$(key: Uint8Array, options?: RecordOptions): Observable<Contact>
}

export const Records = token<Records>('Records')
