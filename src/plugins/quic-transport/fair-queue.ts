/** Bytes that a stream may hand over before the others have had their turn. */
export const QUANTUM_BYTES = 16 * 1024
/** Bytes that all streams together may hand over in one turn of the event loop. */
export const TURN_BYTES = 128 * 1024
/** Every so many turns those that have waited go before those that are new. */
const OLD_FIRST = 4

export interface Sender {
  /** Hands over about `bytes` bytes. Returns how many it were; 1 for something that has none, such as an end. */
  send(bytes: number): number
  /** Nothing is left to be handed over. */
  readonly drained: boolean
  /** Tells the writer that there is room again. */
  offerRoom(): void
}

/**
 * Those who have something to send, served in rounds. Who is new goes first, for one quantum, so that a few bytes
 * never wait behind a long transfer (as in RFC 8290 §4.2); who then has more left goes to the end of the others.
 */
export class FairQueue {
  readonly #fresh = new Set<Sender>()
  readonly #old = new Set<Sender>()
  #sharing = false
  #turns = 0
  #left = TURN_BYTES

  /** It has something to send. */
  add(sender: Sender): void {
    if (this.#old.has(sender) || this.#fresh.has(sender)) return
    // Who has more after being served is no longer new.
    if (this.#sharing) this.#old.add(sender)
    else this.#fresh.add(sender)
  }

  delete(sender: Sender): void {
    this.#fresh.delete(sender)
    this.#old.delete(sender)
  }

  clear(): void {
    this.#fresh.clear()
    this.#old.clear()
  }

  /** Whether the last turn handed anything over. */
  get served(): boolean {
    return this.#left < TURN_BYTES
  }

  /** Takes a turn. Returns whether its end was that of the turn's bytes, and not of what there is or what is taken. */
  share(): boolean {
    this.#left = TURN_BYTES
    this.#sharing = true
    const oldFirst = ++this.#turns % OLD_FIRST === 0
    if (oldFirst) this.#round(this.#old)
    this.#round(this.#fresh)
    while (this.#left > 0 && this.#round(this.#old));
    this.#sharing = false
    return this.#left <= 0 && this.#old.size + this.#fresh.size > 0
  }

  /** Serves each once. Returns whether anything was handed over. */
  #round(senders: Set<Sender>): boolean {
    let progress = false
    let count = senders.size
    for (const sender of senders) {
      if (count-- === 0 || this.#left <= 0) break
      senders.delete(sender)
      const took = sender.send(Math.min(QUANTUM_BYTES, this.#left))
      this.#left -= took
      progress ||= took > 0
      if (!sender.drained) this.#old.add(sender)
      if (took > 0 || sender.drained) sender.offerRoom()
    }
    return progress
  }
}
