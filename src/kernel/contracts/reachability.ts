import type { Observable } from 'rxjs'
import { token } from '../token.js'

/** Whether others can dial this node without help. */
export type ReachabilityState = 'unknown' | 'public' | 'private'

/** Can others dial this node? No plugin fulfils this contract yet. */
export interface Reachability {
  readonly state: ReachabilityState
  /** The present state at subscription, and each change. */
  readonly state$: Observable<ReachabilityState>
}

export const Reachability = token<Reachability>('Reachability')
