import type { Observable } from 'rxjs'
import type { Address, NodeId } from '../../model/index.js'
import { token } from '../token.js'
import type { Connection } from './transport.js'

export interface PunchOptions {
  readonly signal?: AbortSignal | undefined
  /** Names the attempt in events. */
  readonly attempt?: string | undefined
}

/** What is told of hole punching while it runs. */
export type PunchStep =
  | { readonly type: 'punching'; readonly round: number; readonly candidates: readonly Address[] }
  | { readonly type: 'failed'; readonly round: number; readonly error: unknown; readonly retryInMs?: number }
  | { readonly type: 'connected'; readonly connection: Connection }

/** Opens a direct path through NATs by agreeing with the peer on when and where to send. No plugin fulfils this contract yet. */
export interface Signaller {
  /** Cold: rounds until one connects; fails when the rounds are used up. Unsubscribing cancels. */
  punch$(peer: NodeId, options?: PunchOptions): Observable<PunchStep>
}

export const Signaller = token<Signaller>('Signaller')
