import { CloseCode, type Clock, type ClockTimer, type Stream } from '../../kernel/index.js'

/** Milliseconds that the end of a stream is waited for. */
export const LINGER_MS = 2_000
/** Bytes that are dropped meanwhile. */
export const LINGER_BYTES = 1024 * 1024

/**
 * Streams whose calls are over but whose peers have not ended their direction. Both sides of @matrixai/rpc end theirs
 * after the other one has, and take it for a failure of the call to be stopped before. Bounded in time and in bytes; how
 * many there are is bounded by the transport.
 */
export class Lingering {
  readonly #streams = new Map<Stream, ClockTimer>()

  constructor(private readonly clock: Clock) {}

  /** Drops what still comes, up to the end. The stream is whoever else's no more. */
  readonly take = (stream: Stream): void => {
    let left = LINGER_BYTES
    const drop = (): void => {
      try {
        for (;;) {
          const chunk = stream.read()
          if (chunk === undefined) return
          if (chunk === null) break
          left -= chunk.length
          if (left < 0) {
            this.#leave(stream)
            return
          }
        }
      } catch {
        // Given up by the peer, or gone with the connection: over all the same.
      }
      this.#forget(stream)
    }
    const timer = this.clock.setTimeout(() => {
      this.#leave(stream)
    }, LINGER_MS)
    this.#streams.set(stream, timer)
    stream.onReadable = drop
    stream.onClosed = drop
    drop()
  }

  close(): void {
    for (const stream of this.#streams.keys()) this.#leave(stream)
  }

  #leave(stream: Stream): void {
    this.#forget(stream)
    stream.stop(CloseCode.OK)
  }

  #forget(stream: Stream): void {
    this.#streams.get(stream)?.clear()
    this.#streams.delete(stream)
    stream.onReadable = stream.onClosed = undefined
  }
}
