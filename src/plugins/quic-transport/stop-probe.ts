/** Streams asked in one turn of the event loop; each costs about 0.2 µs. */
const PROBES_PER_TURN = 64

interface Probed {
  /** Finds out whether the peer has stopped this side of the stream. */
  lookForStop(): void
}

/**
 * Finds the streams that the peer has stopped while nothing is being sent on them: quiche tells only who asks. It asks
 * all of them after each turn in which something arrived, in rounds, so that many streams do not hold up a turn.
 */
export class StopProbe {
  #round: Iterator<Probed> | undefined
  #left = 0

  constructor(private readonly streams: ReadonlyMap<number, Probed>) {}

  /** Takes a turn. Returns whether it needs another one. */
  run(arrived: boolean): boolean {
    if (arrived) this.#left = this.streams.size
    // An iterator that rests keeps what was in the map when it stopped, and all that has come and gone since.
    if (this.streams.size === 0) this.#round = undefined
    const last = Math.max(0, this.#left - PROBES_PER_TURN)
    for (; this.#left > last; this.#left--) this.#next()?.lookForStop()
    return this.#left > 0
  }

  /** The iterator sees streams that come and go meanwhile, so that a round goes on where the last turn ended. */
  #next(): Probed | undefined {
    const next = this.#round?.next()
    if (next !== undefined && next.done !== true) return next.value
    this.#round = this.streams.values()
    return this.#round.next().value as Probed | undefined
  }
}
