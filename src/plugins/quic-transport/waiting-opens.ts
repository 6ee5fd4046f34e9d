import { abortReason, PeerloomError, type Stream } from '../../kernel/index.js'

/** Calls of `open` that may wait for the peer to allow more streams. */
export const MAX_WAITING_OPENS = 10_000

interface WaitingOpen {
  resolve(stream: Stream): void
  reject(error: PeerloomError): void
}

/** Those who wait, in their order, for the peer to allow more streams. */
export class WaitingOpens {
  readonly #waiting = new Set<WaitingOpen>()

  get size(): number {
    return this.#waiting.size
  }

  /** Rejects with the signal's reason, what `fail` is given, or `ERR_LIMIT`. */
  wait(signal: AbortSignal | undefined): Promise<Stream> {
    return new Promise((resolve, reject) => {
      if (this.size >= MAX_WAITING_OPENS) {
        throw new PeerloomError('ERR_LIMIT', `${String(MAX_WAITING_OPENS)} streams wait to be opened already`)
      }
      const onAbort = (): void => {
        this.#waiting.delete(waiting)
        reject(abortReason(signal as AbortSignal))
      }
      const waiting: WaitingOpen = {
        resolve(stream) {
          signal?.removeEventListener('abort', onAbort)
          resolve(stream)
        },
        reject(error) {
          signal?.removeEventListener('abort', onAbort)
          reject(error)
        }
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#waiting.add(waiting)
    })
  }

  /** Gives streams to those who wait for as long as `openNow` makes some. */
  serve(openNow: () => Stream | undefined): void {
    for (const waiting of this.#waiting) {
      const stream = openNow()
      if (stream === undefined) return
      this.#waiting.delete(waiting)
      waiting.resolve(stream)
    }
  }

  fail(error: PeerloomError): void {
    for (const waiting of this.#waiting) waiting.reject(error)
    this.#waiting.clear()
  }
}
