import type { Observable } from 'rxjs'
import type { Address, Contact, NodeId } from '../../model/index.js'
import { token } from '../token.js'
import type { CloseInfo, Connection } from './transport.js'

/** What is told of a dial while it runs. */
export type DialStep =
  | { readonly type: 'dialing'; readonly peer: NodeId; readonly address: Address }
  | { readonly type: 'failed'; readonly failure: CandidateFailure }
  /** Only for those who asked for it: an early connection. The race goes on, and may end with another. */
  | { readonly type: 'early'; readonly connection: Connection }
  | { readonly type: 'connected'; readonly connection: Connection }

/** Why one address did not lead to the peer. */
export interface CandidateFailure {
  readonly address: Address
  /** Code of `error`. */
  readonly code: string
  readonly error: unknown
  readonly ms: number
}

export type PeerChange =
  | { readonly type: 'connected'; readonly connection: Connection }
  | { readonly type: 'disconnected'; readonly connection: Connection; readonly info: CloseInfo }

export interface PoolDialOptions {
  readonly signal?: AbortSignal | undefined
  /** Names the attempt in events. */
  readonly attempt?: string | undefined
  /**
   * For how many milliseconds the peer may have been silent for a connection to be used at once; 200 unless configured
   * otherwise. Give `Infinity` for what may as well fail: a peer that does not answer is noticed all the same,
   * only later.
   */
  readonly maxSilenceMs?: number | undefined
  /**
   * Takes an early connection as well, on which only what is safe to repeat may be sent until it is confirmed, and which
   * ends if the peer does not answer or is reached otherwise.
   */
  readonly early?: boolean | undefined
}

export interface PoolStats {
  /** Peers that are connected. */
  readonly peers: number
  /** Of these, the ones that came uninvited: this node has not dialled them. */
  readonly uninvited: number
  /** Connections closed for want of room, to make it, or for being unused, by cause. */
  readonly closed: Readonly<Record<'refused-address' | 'refused-group' | 'refused-full' | 'evicted' | 'idle', number>>
}

/**
 * The live connections of this node, one a peer. When both sides dial at once, both keep the connection that was
 * dialled by the side with the smaller node id; the other is drained and closed with `CloseCode.DUPLICATE`.
 *
 * A connection that nobody uses (no stream is open or has been opened, no message has come or gone) is closed with
 * `CloseCode.IDLE` after a while; of too many, the least useful is closed with `CloseCode.LIMIT`, or the newest refused.
 * What a plugin wishes about peers, connected or not, holds until it stops: each plugin has tags of its own.
 *
 * A peer that was restarted does not say so. It is noticed when a connection is asked for: one that was silent for a
 * while is checked first, and nobody waits for long on one that has turned out dead.
 */
export interface ConnectionPool {
  /** The connection to a peer, if it lives as far as is known. */
  get(peer: NodeId): Connection | undefined
  /**
   * The connection to a peer once it has shown a sign of life: at once if something was heard of it lately. Otherwise it
   * is asked for one, and dialled at its address if it does not answer, for it may have been restarted. `undefined` if
   * there is no connection or nothing answers within 2 s. Rejects with the signal's reason, or `ERR_ABORTED` once the
   * pool stops.
   */
  check(peer: NodeId, options?: PoolDialOptions): Promise<Connection | undefined>
  /** All live connections. */
  readonly connections: Iterable<Connection>
  /**
   * Races a contact's addresses: the likelier first, the next after 250 ms or as soon as one fails (RFC 8305). Gives
   * each step; ends after `connected`, or after the last `failed`. A live connection is given at once if something was
   * heard of the peer lately, and otherwise has a head start while it is asked for a sign of life. Callers of the same
   * peer share one dial; it is cancelled when the last of them unsubscribes.
   */
  dial$(contact: Contact, options?: PoolDialOptions): Observable<DialStep>
  /** The same as a promise; rejects with a `ConnectError` that lists what failed, or the signal's reason. */
  dial(contact: Contact, options?: PoolDialOptions): Promise<Connection>
  /**
   * Called for each live connection, those that exist already included, until the returned function is called.
   * For taking streams: control-plane users take `peers$`.
   */
  onConnection(handler: (connection: Connection) => void): () => void
  /**
   * Called with each early connection that a peer makes, until the returned function is called. It is not one of the
   * pool's yet: `onConnection` is called with it when it is confirmed, if there is room for it then.
   */
  onEarly(handler: (connection: Connection) => void): () => void
  /** Hot: peers that come and go. */
  readonly peers$: Observable<PeerChange>
  /** Closes the connection to a peer, if there is one. */
  disconnect(peer: NodeId, code?: number, reason?: string): void
  /**
   * Never closes a connection to a peer for being unused or to make room, until `unprotect` is called with the same tag.
   * Throws `ERR_LIMIT` when this plugin has too many tags.
   */
  protect(peer: NodeId, tag: string): void
  /** Takes a protection back; does nothing if there is none of that tag. */
  unprotect(peer: NodeId, tag: string): void
  /**
   * Wishes that an unused connection to a peer stay for `ms`; 0 takes the wish of that tag back. The longest wish of all
   * plugins holds, if it is longer than the pool's own time. When there is no room, those go last who are wanted longest.
   * Throws `ERR_LIMIT` as `protect` does, and `ERR_INVALID_INPUT` for a time that is none or is over a week.
   */
  stay(peer: NodeId, tag: string, ms: number): void
  stats(): PoolStats
}

export const ConnectionPool = token<ConnectionPool>('ConnectionPool')
