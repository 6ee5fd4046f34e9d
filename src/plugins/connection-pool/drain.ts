import { CloseCode, type Clock, type ClockTimer, type Connection } from '../../kernel/index.js'

/**
 * How long a connection that lost is kept at least. The peer may have opened a stream before it knew; if its first
 * packets are lost, they come again after 1 s and after 2 s more (RFC 9002 §6.2.2, before the round trip is known).
 */
export const DRAIN_GRACE_MS = 3_500
/** How often it is looked at whether its streams are over. */
const DRAIN_POLL_MS = 250

/**
 * Closes a connection with `CloseCode.DUPLICATE` once its streams are over, and after `drainMs` at the latest.
 * The returned function keeps it after all.
 */
export function drain(connection: Connection, clock: Clock, drainMs: number): () => void {
  const startedAt = clock.monotonic()
  let timer: ClockTimer
  const wait = (ms: number): void => {
    timer = clock.setTimeout(look, ms)
  }
  const look = (): void => {
    const leftMs = startedAt + drainMs - clock.monotonic()
    if (leftMs <= 0 || connection.stats().streams === 0) connection.close(CloseCode.DUPLICATE, 'another one is kept')
    else wait(Math.min(DRAIN_POLL_MS, leftMs))
  }
  wait(Math.min(DRAIN_GRACE_MS, drainMs))
  return () => {
    timer.clear()
  }
}
