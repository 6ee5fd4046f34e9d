import { concat, defer, EMPTY, filter, from, map, tap, type Observable, type OperatorFunction } from 'rxjs'
import type { ConnectionPool, DialStep, FindStep, PoolDialOptions } from '../../kernel/index.js'
import type { NodeId } from '../../model/index.js'

/** What stages tell each other, and at last the caller. */
export type PathStep = FindStep | DialStep

/**
 * One stage on the way from a node id to a connection: an operator that passes every step on, adds steps of its own
 * (for `contact` steps, mostly), and completes after `connected`. Stages are chained by `pipe`, so that each sees what
 * the earlier ones have tried, and unsubscribing ends them all.
 */
export type ConnectStage = OperatorFunction<PathStep, PathStep>

/** Goes on with another way if the source ends without a connection. */
export function orElse(otherWay: () => Observable<PathStep>): ConnectStage {
  return (source) =>
    defer(() => {
      let connected = false
      const watched = source.pipe(
        tap(({ type }) => {
          connected ||= type === 'connected'
        })
      )
      return concat(
        watched,
        defer(() => (connected ? EMPTY : otherWay()))
      )
    })
}

/** The connection that there is already, if there is one and the peer gives a sign of life. */
export function liveConnection(pool: ConnectionPool, peer: NodeId, options?: PoolDialOptions): Observable<PathStep> {
  return defer(() => from(pool.check(peer, options))).pipe(
    filter((connection) => connection !== undefined),
    map((connection): PathStep => ({ type: 'connected', connection }))
  )
}
