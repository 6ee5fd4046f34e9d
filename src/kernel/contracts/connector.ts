import type { Observable } from 'rxjs'
import { PeerloomError, Address, type Contact, type NodeId } from '../../model/index.js'
import { token } from '../token.js'
import type { CandidateFailure, DialStep } from './connection-pool.js'
import type { FindStep } from './router.js'
import type { Connection } from './transport.js'

export interface ConnectOptions {
  readonly signal?: AbortSignal | undefined
  /** Takes an early connection as well, as `PoolDialOptions.early` says. */
  readonly early?: boolean | undefined
}

/** What is told of an attempt to connect: the look-up's steps, then those of the race. */
export type ConnectStep = (FindStep | DialStep) & { readonly attempt: string }

/** Why a node could not be reached: every candidate, what was tried, for how long, and why it failed. */
export interface ConnectReport {
  readonly peer: NodeId
  /** Milliseconds from the call to the failure. */
  readonly ms: number
  readonly candidates: readonly CandidateFailure[]
  /** What the look-up did, if there was one. */
  readonly discovery?: { readonly found: boolean; readonly hops: number; readonly contacted: readonly NodeId[] }
}

/** A node could not be reached. */
export class ConnectError extends PeerloomError {
  override readonly name = 'ConnectError'

  constructor(
    readonly report: ConnectReport,
    options?: ErrorOptions
  ) {
    const { peer, candidates, discovery } = report
    const tried = candidates.map(
      ({ address, code, ms }) => `${Address.format(address)} (${code} after ${ms.toFixed(0)} ms)`
    )
    const unknown = discovery?.found === false && candidates.length === 0
    super(
      unknown ? 'ERR_NOT_FOUND' : 'ERR_CONNECT',
      unknown
        ? `no address of ${peer} was found (asked ${String(discovery.contacted.length)} nodes)`
        : `could not connect to ${peer}: ${tried.join(', ') || 'it has no address to try'}`,
      options
    )
  }
}

/**
 * From a node id to a live connection.
 *
 * `connect$` is one pipeline of exported operators, each usable and tested alone. Later stages (relay, hole punching,
 * upgrade of the path) join it behind the same interface.
 */
export interface Connector {
  /**
   * Cold: gives every step and completes after `connected`; fails with a {@link ConnectError}. Unsubscribing cancels.
   * Calls to one peer share one attempt.
   */
  connect$(target: NodeId | Contact, options?: ConnectOptions): Observable<ConnectStep>
  /** The same as a promise; rejects with a {@link ConnectError} or the signal's reason. */
  connect(target: NodeId | Contact, options?: ConnectOptions): Promise<Connection>
}

export const Connector = token<Connector>('Connector')
