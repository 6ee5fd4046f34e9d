import type { NativeConnection } from './quiche.js'

/**
 * Whether the peer has acknowledged everything. quiche does not say so, but its loss timer runs for as long as something
 * is in flight (RFC 9002 §6.2), and ends long before that of an idle connection, the other one that `timeout` may tell.
 */
export function isAcknowledged(native: NativeConnection, idleTimeoutMs: number, silentMs: number): boolean {
  const timeout = native.timeout()
  if (timeout === null) return true
  const idleMs = Math.min(idleTimeoutMs, native.stats().peerMaxIdleTimeout || Infinity)
  return timeout > (idleMs - silentMs) / 2
}
