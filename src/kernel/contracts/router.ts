import type { Observable } from 'rxjs'
import type { Contact, NodeId } from '../../model/index.js'
import { token } from '../token.js'

export interface FindOptions {
  readonly signal?: AbortSignal | undefined
  /** Names the attempt in events. */
  readonly attempt?: string | undefined
}

/** What is told of a look-up while it runs. `hop` counts from 1: nodes this node already knew are asked in hop 1. */
export type FindStep =
  | { readonly type: 'query'; readonly node: NodeId; readonly hop: number }
  | {
      readonly type: 'answer'
      readonly node: NodeId
      readonly hop: number
      readonly contacts: number
      readonly ms: number
    }
  | { readonly type: 'failed'; readonly node: NodeId; readonly error: unknown }
  /** Addresses of the target itself; may come more than once, with other addresses. */
  | { readonly type: 'contact'; readonly contact: Contact }
  | FindResult

/** The end of a look-up. */
export interface FindResult {
  readonly type: 'done'
  readonly found: boolean
  /** The longest chain of answers that led to the result; 0 if this node knew it. */
  readonly hops: number
  /** Every node that was asked, in order. */
  readonly contacted: readonly NodeId[]
  /** The nodes nearest to the target that answered, nearest first. */
  readonly closest: readonly Contact[]
}

export interface RouterStats {
  /** How many contacts the routing table holds. */
  readonly contacts: number
  /** What was received and not taken, by cause. */
  readonly dropped: Readonly<Record<string, number>>
}

/** Finds nodes by id. Dials through the `ConnectionPool` only. */
export interface Router {
  /**
   * Looks a node up. Cold: each subscription is a look-up, and unsubscribing ends it. Stops early once an address of
   * the target is known; ends with `done`, found or not. Does not fail but for the signal's reason.
   */
  find$(target: NodeId, options?: FindOptions): Observable<FindStep>
  /** The target's contact; rejects with `ERR_NOT_FOUND`, or the signal's reason. */
  find(target: NodeId, options?: FindOptions): Promise<Contact>
  /** The `count` verified contacts nearest to `target` that this node knows, nearest first, without asking anyone. */
  closest(target: NodeId, count?: number): readonly Contact[]
  /** How many contacts the routing table holds. */
  readonly size: number
  /**
   * Makes this node known and learns its neighbourhood by way of these contacts. Resolves with the number of contacts
   * known then; rejects with `ERR_CONNECT` if there were contacts and none of them answered.
   */
  join(seeds: readonly Contact[], options?: FindOptions): Promise<number>
  stats(): RouterStats
}

export const Router = token<Router>('Router')
