/** Streams asked in one turn of the event loop. */
const ASKED_PER_TURN = 64

interface Stopped {
  /** Has quiche let go of the stream as soon as the peer has ended it. Returns whether that is done. */
  release(): boolean
}

/**
 * Streams that were stopped on this side, until the peer has ended them. quiche lets go of a stream when something of it
 * is acknowledged, or read to its end. Of one that was stopped nothing is read, and if our own end was acknowledged
 * before the peer's came, it would keep its place within the limit on streams for ever.
 */
export class StoppedStreams {
  readonly #streams = new Set<Stopped>()

  add(stream: Stopped): void {
    this.#streams.add(stream)
  }

  clear(): void {
    this.#streams.clear()
  }

  /** Takes a turn in which something arrived; those that were asked in vain go to the end of the others. */
  run(): void {
    let left = Math.min(ASKED_PER_TURN, this.#streams.size)
    for (const stream of this.#streams) {
      if (left-- === 0) return
      this.#streams.delete(stream)
      if (!stream.release()) this.#streams.add(stream)
    }
  }
}
