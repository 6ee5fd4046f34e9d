import type { AnyIterable, MethodKind } from '../../kernel/index.js'
import { Body } from './bodies.js'
import { DONE, isThenable, iteratorOf } from './item-iterator.js'
import { isObject } from './messages.js'

/** What is done to the outcome of a call on its way, whatever the kind of the call. */
export interface Taps {
  /** Changes the result, or each item; may take its time. What it throws ends the call. */
  readonly value?: (value: unknown) => unknown
  /** Changes what the call fails with. */
  readonly failure?: (error: unknown) => unknown
  /** Called once, when a call is over and its handler has come to rest; with what it failed with, if it did. */
  readonly over?: (error?: unknown) => void
}

/** Whether calls of a kind give items. */
export function isStreamed(kind: MethodKind): boolean {
  return kind === 'server' || kind === 'duplex'
}

/**
 * The outcome of a call with taps on it. An outcome is what a handler, or a function that calls one, gives back: a
 * result, items, or a result and bytes; or a promise of it, even of items.
 */
export function tap(kind: MethodKind, outcome: unknown, taps: Taps): unknown {
  if (kind === 'raw') return tapRaw(outcome, taps)
  return isStreamed(kind) ? new TappedItems(outcome as AnyIterable<unknown>, taps) : tapResult(outcome, taps)
}

async function tapResult(outcome: unknown, taps: Taps): Promise<unknown> {
  try {
    const result = await outcome
    const changed = taps.value === undefined ? result : await taps.value(result)
    taps.over?.()
    return changed
  } catch (error) {
    throw failed(taps, error)
  }
}

async function tapRaw(outcome: unknown, taps: Taps): Promise<unknown> {
  try {
    const answer = await outcome
    if (!isObject(answer)) {
      taps.over?.()
      return answer
    }
    try {
      const result = taps.value === undefined ? answer.result : await taps.value(answer.result)
      return { result, body: tapBody(answer.body, taps) }
    } catch (error) {
      void leave(iteratorOf(answer.body as AnyIterable<unknown>))
      throw error
    }
  } catch (error) {
    throw failed(taps, error)
  }
}

/** The taps that are for values are not for bytes. */
function tapBody(body: unknown, { failure, over }: Taps): unknown {
  if (failure === undefined && over === undefined) return body
  const taps = { ...(failure && { failure }), ...(over && { over }) }
  return body instanceof ReadableStream ? tapStream(body, taps) : new TappedItems(body as AnyIterable<unknown>, taps)
}

/** Tells of the end of a stream even if nobody reads it. */
function tapStream(stream: ReadableStream<Uint8Array>, taps: Taps): ReadableStream<Uint8Array> {
  const reader = stream.getReader()
  const body = new Body(
    async () => (await reader.read()).value ?? null,
    () => {
      void reader.cancel().catch(() => undefined)
    }
  )
  reader.closed.then(
    () => taps.over?.(),
    (error: unknown) => {
      body.fail(failed(taps, error))
    }
  )
  return body.stream
}

function failed(taps: Taps, error: unknown): unknown {
  const failure = taps.failure === undefined ? error : taps.failure(error)
  taps.over?.(failure)
  return failure
}

/** The promise of an outcome as the outcome of a call: items are not waited for but by who reads them. */
export function promised(kind: MethodKind, outcome: PromiseLike<unknown>): unknown {
  return isStreamed(kind) ? new TappedItems(outcome as PromiseLike<AnyIterable<unknown>>, {}) : outcome
}

type Items = AsyncIterator<unknown> | Iterator<unknown>

/** Items with taps on them. Leaving them leaves their source, even one that is still promised. */
export class TappedItems implements AsyncIterableIterator<unknown> {
  #source: Items | Promise<Items> | undefined
  #over = false

  constructor(
    private readonly given: AnyIterable<unknown> | PromiseLike<AnyIterable<unknown>>,
    private readonly taps: Taps
  ) {}

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<unknown, undefined>> {
    if (this.#over) return DONE
    const { value } = this.taps
    try {
      const source = this.#open()
      const iterator = isThenable(source) ? await source : source
      const step = await iterator.next()
      if (step.done === true) {
        this.#end()
        return DONE
      }
      if (value === undefined) return step
      try {
        return { done: false, value: await value(step.value) }
      } catch (error) {
        void leave(iterator)
        throw error
      }
    } catch (error) {
      // Whoever left does not want to know how it ended.
      if (this.wasLeft()) return DONE
      this.#over = true
      throw failed(this.taps, error)
    }
  }

  async return(): Promise<IteratorResult<unknown, undefined>> {
    if (this.#over) return DONE
    let left: Promise<unknown>
    try {
      const source = this.#open()
      if (isThenable(source)) {
        // Nobody need wait for what is only promised.
        this.#over = true
        void source.then(leave, () => undefined).then(() => this.taps.over?.())
        return DONE
      }
      left = leave(source)
    } catch {
      left = Promise.resolve()
    }
    this.#over = true
    await left
    this.taps.over?.()
    return DONE
  }

  #open(): Items | Promise<Items> {
    const { given } = this
    this.#source ??= isThenable(given) ? Promise.resolve(given).then((items) => iteratorOf(items)) : iteratorOf(given)
    return this.#source
  }

  private wasLeft(): boolean {
    return this.#over
  }

  #end(): void {
    if (this.#over) return
    this.#over = true
    this.taps.over?.()
  }
}

/** How a source takes its end is its own affair. */
async function leave(iterator: Items): Promise<void> {
  try {
    await iterator.return?.()
  } catch {
    // the same
  }
}
