import { CloseCode, type Clock, type ClockTimer, type Connection } from '../../kernel/index.js'
import { silenceLimitMs } from './silence.js'

/**
 * How long a connection that lost is kept at least. The peer may have opened a stream before it knew; if its first
 * packets are lost, they come again after 1 s and after 2 s more (RFC 9002 §6.2.2, before the round trip is known).
 */
export const DRAIN_GRACE_MS = 3_500
/** How often it is looked at whether its streams are over. */
const DRAIN_POLL_MS = 250

/**
 * Closes a connection with `CloseCode.DUPLICATE` once its streams are over and the peer has shown that it has `winner`,
 * the one that is kept; after `drainMs` at the latest; or as soon as it is clear that the peer knows nothing of it any
 * more. The returned function keeps it after all.
 */
export function drain(
  connection: Connection,
  winner: Connection,
  clock: Clock,
  { drainMs, silenceMs = silenceLimitMs(connection) }: { drainMs: number; silenceMs?: number | undefined }
): () => void {
  const startedAt = clock.monotonic()
  let timer: ClockTimer
  // A peer that was restarted: whoever waits for it on this connection waits in vain.
  const silence = clock.setTimeout(() => {
    connection.close(CloseCode.DUPLICATE, 'the peer has another one and does not answer on this')
  }, silenceMs)
  void connection.ping().then(() => {
    silence.clear()
  })
  let over = false
  const wait = (ms: number): void => {
    timer = clock.setTimeout(look, ms)
  }
  const end = (): void => {
    if (!over) connection.close(CloseCode.DUPLICATE, 'another one is kept')
  }
  const look = (): void => {
    const leftMs = startedAt + drainMs - clock.monotonic()
    if (leftMs <= 0) {
      end()
      return
    }
    wait(Math.min(DRAIN_POLL_MS, leftMs))
    if (connection.stats().streams > 0) return
    // The peer may have given the winner up without our having heard of it: both sides would then close their last one.
    void winner.ping().then((alive) => {
      if (alive) end()
    })
  }
  wait(Math.min(DRAIN_GRACE_MS, drainMs))
  return () => {
    over = true
    timer.clear()
    silence.clear()
  }
}
