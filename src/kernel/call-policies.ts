import { checkSignal } from './check-signal.js'
import type { Clock } from './clock.js'
import { RpcCode, RpcError } from './contracts/rpc-errors.js'
import type { CallOptions } from './contracts/rpc-methods.js'
import type { CallPolicies, HedgePolicy, RetryPolicy } from './contracts/rpc-policies.js'
import { InvalidInputError, PeerloomError } from './errors.js'
import { hedge } from './hedge.js'
import type { Random } from './random.js'
import { repeat } from './repeat.js'

export type UnaryCall = (input: unknown, options?: CallOptions) => Promise<unknown>

export interface PolicySurroundings {
  readonly clock: Clock
  readonly random: Random
  /** Whether there is any use in another attempt. */
  readonly mayRepeat?: () => boolean
}

const ATTEMPTS = 3
const BACKOFF_MS = 100
const MAX_BACKOFF_MS = 10_000

/** A unary call that is safe to repeat, with policies; those of a call come before those that are given here. */
export function withPolicies(
  call: UnaryCall,
  defaults: CallPolicies,
  surroundings: () => PolicySurroundings
): UnaryCall {
  return (input, options) => {
    const retry = options?.retry ?? defaults.retry
    const hedging = options?.hedge ?? defaults.hedge
    if (retry === undefined && hedging === undefined) return call(input, options)
    return persist((own) => call(input, own), options ?? {}, { retry, hedge: hedging }, surroundings)
  }
}

/** Makes one call under policies: hedged attempts, one after the other. */
async function persist(
  call: (options: CallOptions) => Promise<unknown>,
  options: CallOptions,
  policies: CallPolicies,
  surroundings: () => PolicySurroundings
): Promise<unknown> {
  checkPolicies(policies)
  checkSignal(options.signal)
  const { clock, random, mayRepeat } = surroundings()
  const { retry, hedge: hedging } = policies
  const { signal } = options
  const { endsAt, timer } = deadlineOf(options.timer, clock)
  const own = { ...options, timer, retry: undefined, hedge: undefined }
  const attempt = (signal: AbortSignal | undefined): Promise<unknown> => call({ ...own, signal })
  const once = hedging === undefined ? () => attempt(signal) : () => hedged(attempt, hedging, retry, clock, signal)
  if (retry === undefined) return once()
  return repeat(once, {
    clock,
    signal,
    attempts: retry.attempts ?? ATTEMPTS,
    pauseMs: (error, made) => {
      if (!isWorthAnother(error, retry) || mayRepeat?.() === false) return undefined
      const ms = pauseOf(error, made, retry, random)
      return ms === undefined || clock.monotonic() + ms >= endsAt ? undefined : ms
    }
  })
}

/** Throws `ERR_INVALID_INPUT` for policies that cannot be. */
export function checkPolicies({ retry = {}, hedge: hedging }: CallPolicies): void {
  const { attempts = 1, backoffMs = 0, maxBackoffMs = 0, codes = [] } = retry
  const { afterMs, max = 1 } = hedging ?? { afterMs: 0 }
  const counts: unknown[] = [attempts, max]
  const times: unknown[] = [backoffMs, maxBackoffMs, afterMs]
  if (
    !counts.every((count) => Number.isSafeInteger(count) && (count as number) >= 1) ||
    !times.every((ms) => typeof ms === 'number' && ms >= 0) ||
    !Array.isArray(codes)
  ) {
    throw new InvalidInputError('retry and hedge: attempts and max are integers from 1, times milliseconds from 0')
  }
}

function hedged(
  attempt: (signal: AbortSignal) => Promise<unknown>,
  { afterMs, max = 1 }: HedgePolicy,
  retry: RetryPolicy | undefined,
  clock: Clock,
  signal: AbortSignal | undefined
): Promise<unknown> {
  return hedge(attempt, { clock, signal, afterMs, max, isFinal: (error) => !isWorthAnother(error, retry ?? {}) })
}

/** The end of the whole call, and a timer that tells each attempt what is left of it. */
function deadlineOf(timer: CallOptions['timer'], clock: Clock): { endsAt: number; timer: CallOptions['timer'] } {
  const ms = typeof timer === 'object' ? timer.getTimeout() : timer
  // What is no time is refused by the call.
  if (typeof ms !== 'number' || Number.isNaN(ms)) return { endsAt: Infinity, timer }
  const endsAt = clock.monotonic() + ms
  return { endsAt, timer: { getTimeout: () => Math.max(0, endsAt - clock.monotonic()) } }
}

function isWorthAnother(error: unknown, { codes = [RpcCode.BUSY] }: RetryPolicy): boolean {
  return wasCutOff(error) || (error instanceof RpcError && codes.includes(error.rpcCode))
}

function pauseOf(error: unknown, made: number, policy: RetryPolicy, random: Random): number | undefined {
  const { backoffMs = BACKOFF_MS, maxBackoffMs = MAX_BACKOFF_MS } = policy
  const retryAfterMs = retryAfterOf(error)
  // Those who were refused together shall not come back together.
  if (retryAfterMs !== undefined) {
    return retryAfterMs > maxBackoffMs ? undefined : retryAfterMs + random.float() * backoffMs
  }
  return Math.min(maxBackoffMs, backoffMs * 2 ** (made - 1)) * (1 - random.float() / 2)
}

function retryAfterOf(error: unknown): number | undefined {
  if (!(error instanceof RpcError) || error.rpcCode !== RpcCode.BUSY) return undefined
  const ms: unknown = (error.data as { retryAfterMs?: unknown } | null | undefined)?.retryAfterMs
  return typeof ms === 'number' && ms >= 0 ? ms : undefined
}

/** Whether something ended because what it ran on did, on this side or the other, and not by itself. */
export function wasCutOff(error: unknown): boolean {
  if (error instanceof RpcError) return error.rpcCode === RpcCode.CANCELLED
  return error instanceof PeerloomError && CUT_OFF.has(error.code)
}

const CUT_OFF = new Set(['ERR_ABORTED', 'ERR_CONNECTION_CLOSED', 'ERR_STATE', 'ERR_STREAM_RESET'])
