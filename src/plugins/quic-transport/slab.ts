const SLAB_BYTES = 256 * 1024

/**
 * Memory for outgoing datagrams, cut from large pieces. What was sent may still be read by the system, so that nothing
 * is written twice until the slab is told that it may.
 */
export class Slab {
  #piece = Buffer.allocUnsafeSlow(SLAB_BYTES)
  #at = 0
  #free: Buffer | undefined

  /** Nobody reads any more what was taken. */
  reuse(): void {
    this.#at = 0
    this.#free = undefined
  }

  /** Room for one datagram; the same room again until some of it is taken. */
  room(bytes: number): Uint8Array {
    if (this.#free?.length === bytes) return this.#free
    if (this.#at + bytes > this.#piece.length) {
      this.#piece = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, bytes))
      this.#at = 0
    }
    return (this.#free = this.#piece.subarray(this.#at, this.#at + bytes))
  }

  /** Takes the first `bytes` of the room that was given last. */
  take(bytes: number): Uint8Array {
    const room = this.#free
    const taken = room?.length === bytes ? room : this.#piece.subarray(this.#at, this.#at + bytes)
    this.#free = undefined
    this.#at += bytes
    return taken
  }
}
