import { PeerloomError, type AnyIterable } from '../../kernel/index.js'

export const DONE = { done: true, value: undefined } as const

/**
 * An async iterator over steps. `next` may be called again before it has resolved; `return` ends what is waiting
 * instead of queueing behind it, as an async generator would.
 */
export class ItemIterator<T> implements AsyncIterableIterator<T> {
  #queue: Promise<unknown> | undefined
  #done = false

  /**
   * @param step gives the next result; not called again after it has failed or was done
   * @param leave called once if the iterator is left early; makes a waiting step settle
   */
  constructor(
    private readonly step: () => Promise<IteratorResult<T, undefined>>,
    private readonly leave: () => void
  ) {}

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<T, undefined>> {
    const result = this.#queue === undefined ? this.#advance() : this.#queue.then(() => this.#advance())
    const settled = result.then(noop, noop)
    this.#queue = settled
    void settled.then(() => {
      if (this.#queue === settled) this.#queue = undefined
    })
    return result
  }

  return(): Promise<IteratorResult<T, undefined>> {
    if (!this.#done) {
      this.#done = true
      this.leave()
    }
    return Promise.resolve(DONE)
  }

  async #advance(): Promise<IteratorResult<T, undefined>> {
    if (this.#done) return DONE
    try {
      const result = await this.step()
      if (result.done === true) this.#done = true
      return result
    } catch (error) {
      // Whoever left does not want to know how it ended.
      if (this.wasLeft()) return DONE
      this.#done = true
      throw error
    }
  }

  private wasLeft(): boolean {
    return this.#done
  }
}

function noop(): void {
  // settled either way
}

/** The iterator of an async or plain iterable. Throws a TypeError, as `for await` does, if it is neither. */
export function iteratorOf<T>(iterable: AnyIterable<T>): AsyncIterator<T> | Iterator<T> {
  const candidate: Partial<AsyncIterable<T> & Iterable<T>> | null | undefined = iterable as object | undefined
  if (typeof candidate?.[Symbol.asyncIterator] === 'function')
    return (iterable as AsyncIterable<T>)[Symbol.asyncIterator]()
  if (typeof candidate?.[Symbol.iterator] === 'function') return (iterable as Iterable<T>)[Symbol.iterator]()
  throw new PeerloomError('ERR_RPC', 'expected an iterable or an async iterable of messages')
}

export function isThenable<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
}
