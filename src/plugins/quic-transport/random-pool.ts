import { randomFillSync } from 'node:crypto'

const POOL_BYTES = 4_096

/** Unpredictable bytes, drawn from the system many at a time: asking costs more than the bytes do. */
export class RandomPool {
  readonly #pool = Buffer.allocUnsafeSlow(POOL_BYTES)
  #at = POOL_BYTES

  /** Bytes that are the caller's, and that nobody is given again. At most {@link POOL_BYTES}. */
  take(count: number): Uint8Array {
    if (this.#at + count > POOL_BYTES) {
      randomFillSync(this.#pool)
      this.#at = 0
    }
    const bytes = Uint8Array.prototype.slice.call(this.#pool, this.#at, this.#at + count)
    this.#at += count
    return bytes
  }
}
