import { CloseCode, type Clock, type ClockTimer, type Connection } from '../../kernel/index.js'

/** How long a connection that lost is kept at least: the peer may have opened a stream before it knew. */
export const DRAIN_GRACE_MS = 1_000
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
