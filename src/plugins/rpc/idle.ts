import {
  RpcCode,
  RpcError,
  type AnyIterable,
  type CallOptions,
  type Clock,
  type ClockTimer,
  type MethodKind
} from '../../kernel/index.js'
import { DONE, iteratorOf } from './item-iterator.js'
import type { MethodName, Run } from './method.js'
import { isStreamed, tap } from './outcome.js'

/** A handler whose call ends if the peer sends no item, or takes none, for `idleMs`; itself if it has no streams. */
export function unlessIdle({ kind }: MethodName, run: Run, idleMs: number, clock: Clock): Run {
  if (idleMs === Infinity || kind === 'unary' || kind === 'raw') return run
  return (call, input) => {
    const watch = new IdleWatch(clock, idleMs, (error) => {
      call.abort(error)
    })
    return watch.over(kind, run(call, hasItems(kind) ? watch.waits(input) : input))
  }
}

/** The function that calls a method, which ends if the peer sends no item, or takes none, for as long as is given. */
export function callUnlessIdle(
  kind: MethodKind,
  call: (...parameters: unknown[]) => unknown,
  usualMs: number,
  clock: Clock
): (...parameters: unknown[]) => unknown {
  if (kind === 'unary' || kind === 'raw') return call
  return (input, given) => {
    const options = given as CallOptions | undefined
    const idleMs = options?.idleTimeoutMs ?? usualMs
    // What is no time is refused by the call.
    if (!(idleMs > 0) || idleMs === Infinity) return call(input, options)
    const controller = new AbortController()
    const watch = new IdleWatch(clock, idleMs, (error) => {
      controller.abort(error)
    })
    const { signal } = controller
    const both = options?.signal instanceof AbortSignal ? AbortSignal.any([options.signal, signal]) : signal
    return watch.over(kind, call(hasItems(kind) ? watch.gaps(input) : input, { ...options, signal: both }), true)
  }
}

function hasItems(kind: MethodKind): boolean {
  return kind === 'client' || kind === 'duplex'
}

/** Watches the pauses of one call, with one timer for each direction that looks again only when it fires. */
class IdleWatch {
  readonly #pauses: Pause[] = []

  constructor(
    private readonly clock: Clock,
    private readonly idleMs: number,
    private readonly onIdle: (error: RpcError) => void
  ) {}

  /** Items of the peer: what is waited for must come. */
  waits(items: unknown): AsyncIterableIterator<unknown> {
    return this.#watch(items, `no item came for ${String(this.idleMs)} ms`, true)
  }

  /** Items for the peer: what is given must be taken. */
  gaps(items: unknown): AsyncIterableIterator<unknown> {
    return this.#watch(items, `no item was taken for ${String(this.idleMs)} ms`, false)
  }

  /** Watches an outcome too, and nothing more once it is over. */
  over(kind: MethodKind, outcome: unknown, isOfPeer = false): unknown {
    const watched = !isStreamed(kind) ? outcome : isOfPeer ? this.waits(outcome) : this.gaps(outcome)
    const over = (): void => {
      for (const pause of this.#pauses) pause.stop()
    }
    return tap(kind, watched, { over })
  }

  #watch(items: unknown, text: string, isWait: boolean): AsyncIterableIterator<unknown> {
    const pause = new Pause(this.clock, this.idleMs, () => {
      this.onIdle(new RpcError(RpcCode.IDLE, text, { local: true }))
    })
    this.#pauses.push(pause)
    return watched(items as AnyIterable<unknown>, pause, isWait)
  }
}

function watched(items: AnyIterable<unknown>, pause: Pause, isWait: boolean): AsyncIterableIterator<unknown> {
  let opened: AsyncIterator<unknown> | Iterator<unknown> | undefined
  // Not before it is asked for: what is no iterable is the call's to refuse.
  const source = (): NonNullable<typeof opened> => (opened ??= iteratorOf(items))
  return {
    async next() {
      if (isWait) pause.begin()
      else pause.end()
      try {
        const step = await source().next()
        if (!isWait && step.done !== true) pause.begin()
        return step
      } finally {
        if (isWait) pause.end()
      }
    },
    async return() {
      pause.stop()
      await source().return?.()
      return DONE
    },
    [Symbol.asyncIterator]() {
      return this
    }
  }
}

class Pause {
  #since: number | undefined
  #timer: ClockTimer | undefined

  constructor(
    private readonly clock: Clock,
    private readonly maxMs: number,
    private readonly onTooLong: () => void
  ) {}

  begin(): void {
    this.#since = this.clock.monotonic()
    if (this.#timer === undefined) this.#lookAfter(this.maxMs)
  }

  end(): void {
    this.#since = undefined
  }

  stop(): void {
    this.end()
    this.#timer?.clear()
    this.#timer = undefined
  }

  #lookAfter(ms: number): void {
    this.#timer = this.clock.setTimeout(() => {
      this.#timer = undefined
      if (this.#since === undefined) return
      const leftMs = this.#since + this.maxMs - this.clock.monotonic()
      if (leftMs >= 1) this.#lookAfter(leftMs)
      else this.onTooLong()
    }, ms)
  }
}
