import type { Observable } from 'rxjs'
import type { Address, Contact, NodeId } from '../../model/index.js'
import { token } from '../token.js'
import type { CloseInfo, Connection } from './transport.js'

/** What is told of a dial while it runs. */
export type DialStep =
  | { readonly type: 'dialing'; readonly peer: NodeId; readonly address: Address }
  | { readonly type: 'failed'; readonly failure: CandidateFailure }
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
}

/**
 * The live connections of this node, one a peer. When both sides dial at once, both keep the connection that was
 * dialled by the side with the smaller node id; the other is drained and closed with `CloseCode.DUPLICATE`.
 */
export interface ConnectionPool {
  /** The connection to a peer, if it lives. */
  get(peer: NodeId): Connection | undefined
  /** All live connections. */
  readonly connections: Iterable<Connection>
  /**
   * Races a contact's addresses: the likelier first, the next after 250 ms or as soon as one fails (RFC 8305). Gives
   * each step; ends after `connected`, or after the last `failed`. A live connection is given at once. Callers of the
   * same peer share one dial; it is cancelled when the last of them unsubscribes.
   */
  dial$(contact: Contact, options?: PoolDialOptions): Observable<DialStep>
  /** The same as a promise; rejects with a `ConnectError` that lists what failed, or the signal's reason. */
  dial(contact: Contact, options?: PoolDialOptions): Promise<Connection>
  /**
   * Called for each live connection, those that exist already included, until the returned function is called.
   * For taking streams: control-plane users take `peers$`.
   */
  onConnection(handler: (connection: Connection) => void): () => void
  /** Hot: peers that come and go. */
  readonly peers$: Observable<PeerChange>
  /** Closes the connection to a peer, if there is one. */
  disconnect(peer: NodeId, code?: number, reason?: string): void
}

export const ConnectionPool = token<ConnectionPool>('ConnectionPool')
