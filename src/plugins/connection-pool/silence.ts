import type { Connection } from '../../kernel/index.js'

const MIN_ANSWER_MS = 250
const MAX_ANSWER_MS = 1_000
const ANSWER_ROUND_TRIPS = 3

/**
 * How long a peer is given to answer a ping before it is dialled beside. Nothing is lost if it was too short: the
 * first to answer wins.
 */
export function answerLimitMs(connection: Connection): number {
  return Math.min(Math.max(MIN_ANSWER_MS, ANSWER_ROUND_TRIPS * connection.stats().rttMs), MAX_ANSWER_MS)
}

const MIN_SILENCE_MS = 1_000
const MAX_SILENCE_MS = 3_000
const SILENCE_ROUND_TRIPS = 8

/**
 * How long a peer that is known to be there may leave a ping unanswered, before it is taken to have lost that
 * connection. Long enough for a ping that is lost to be sent again (RFC 9002 §6.2), more than once if the round trip is
 * known.
 */
export function silenceLimitMs(connection: Connection): number {
  const { rttMs } = connection.stats()
  if (rttMs === 0) return MAX_SILENCE_MS
  return Math.min(Math.max(MIN_SILENCE_MS, SILENCE_ROUND_TRIPS * rttMs), MAX_SILENCE_MS)
}
