import type { Observable } from 'rxjs'
import type { Contact, NodeId } from '../../model/index.js'
import { token } from '../token.js'

export interface FindOptions {
  readonly signal?: AbortSignal | undefined
  /** Names the attempt in events. */
  readonly attempt?: string | undefined
}

/**
 * What is told of a look-up while it runs: a `query` for each node that is asked, none twice, and an `answer` or a
 * `failed` for it unless the look-up ends first. `hop` counts from 1: nodes this node already knew are asked in hop 1, those that
 * they tell of in hop 2, and so on.
 */
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
  /** The longest chain of answers that led to the result; 0 if this node knew it, or nobody answered. */
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

/**
 * Finds nodes by id. Dials through the `ConnectionPool` only. Once its plugin has stopped, whatever asks the network
 * fails with `ERR_ABORTED`, what is under way included.
 */
export interface Router {
  /**
   * Looks a node up. Cold: each subscription is a look-up, and unsubscribing ends it: no further node is asked. Stops
   * early once an address of the target is known; ends with `done`, once and last, found or not; `contact` comes if and
   * only if it was found. This node itself is never asked, nor found. Does not fail but with `ERR_INVALID_INPUT` for
   * what is no node id, and with the signal's reason: itself if it is of our family, else the cause of an `ERR_ABORTED`.
   */
  find$(target: NodeId, options?: FindOptions): Observable<FindStep>
  /** The target's contact; rejects with `ERR_NOT_FOUND`, or as `find$` fails. */
  find(target: NodeId, options?: FindOptions): Promise<Contact>
  /**
   * The `count` verified contacts nearest to `target` (XOR distance) that this node knows, nearest first, without asking
   * anyone; 20 unless given. Verified is who has answered this node; it is never among them itself.
   */
  closest(target: NodeId, count?: number): readonly Contact[]
  /** How many contacts the routing table holds. */
  readonly size: number
  /**
   * Makes this node known and learns its neighbourhood by way of these contacts, its own left out. Resolves with the
   * number of contacts known then; rejects with `ERR_CONNECT` if there were contacts and none of them answered, or as
   * `find$` fails.
   */
  join(seeds: readonly Contact[], options?: FindOptions): Promise<number>
  stats(): RouterStats
}

export const Router = token<Router>('Router')
