/** Bytes that a stream may hand over before the others have had their turn. */
export const QUANTUM_BYTES = 16 * 1024
/** Bytes that all streams together may hand over in one turn of the event loop. */
export const TURN_BYTES = 128 * 1024
/** Every so many turns those that have waited go before those that are new. */
const OLD_FIRST = 4
/** Every so many turns an urgency goes first that would not: each in its turn, so that none waits for ever. */
const FAVOURED = 8

export interface Sender {
  /** From 0, the most urgent, to 7. */
  readonly urgency: number
  /** Hands over about `bytes` bytes. Returns how many it were; 1 for something that has none, such as an end. */
  send(bytes: number): number
  /** Nothing is left to be handed over. */
  readonly drained: boolean
  /** Tells the writer that there is room again. */
  offerRoom(): void
}

/** Those of one urgency. */
interface Level {
  readonly urgency: number
  readonly fresh: Set<Sender>
  readonly old: Set<Sender>
}

/**
 * Those who have something to send. The more urgent go first; those of one urgency are served in rounds. Who is new
 * goes first, for one quantum, so that a few bytes never wait behind a long transfer (as in RFC 8290 §4.2); who then has
 * more left goes to the end of the others.
 */
export class FairQueue {
  /** The most urgent first. Hardly ever more than one. */
  readonly #levels: Level[] = []
  #sharing = false
  #turns = 0
  #favoured = 0
  #left = TURN_BYTES

  get isEmpty(): boolean {
    return this.#levels.every(isEmpty)
  }

  /** It has something to send. */
  add(sender: Sender): void {
    const { fresh, old } = this.#levelOf(sender)
    if (old.has(sender) || fresh.has(sender)) return
    // Who has more after being served is no longer new.
    if (this.#sharing) old.add(sender)
    else fresh.add(sender)
  }

  /** Returns whether it was there. */
  delete(sender: Sender): boolean {
    const { fresh, old } = this.#levelOf(sender)
    return fresh.delete(sender) || old.delete(sender)
  }

  clear(): void {
    for (const { fresh, old } of this.#levels) {
      fresh.clear()
      old.clear()
    }
  }

  /** Whether the last turn handed anything over. */
  get served(): boolean {
    return this.#left < TURN_BYTES
  }

  /** Takes a turn. Returns whether its end was that of the turn's bytes, and not of what there is or what is taken. */
  share(): boolean {
    this.#left = TURN_BYTES
    this.#sharing = true
    this.#turns++
    if (this.#levels.length > 1 && this.#turns % FAVOURED === 0) this.#favour()
    const oldFirst = this.#turns % OLD_FIRST === 0
    for (const { fresh, old } of this.#levels) {
      if (oldFirst) this.#round(old)
      this.#round(fresh)
      while (this.#left > 0 && this.#round(old));
    }
    this.#sharing = false
    return this.#left <= 0 && !this.isEmpty
  }

  /** Serves those of one urgency once, whatever else there is; of the next one the next time. */
  #favour(): void {
    const levels = this.#levels.filter((level) => !isEmpty(level))
    const level = levels[this.#favoured++ % levels.length]
    if (level === undefined) return
    this.#round(level.old)
    this.#round(level.fresh)
  }

  #levelOf({ urgency }: Sender): Level {
    const levels = this.#levels
    if (levels[0]?.urgency === urgency) return levels[0]
    const at = levels.findIndex((level) => level.urgency >= urgency)
    const found = levels[at]
    if (found?.urgency === urgency) return found
    const level = { urgency, fresh: new Set<Sender>(), old: new Set<Sender>() }
    levels.splice(at < 0 ? levels.length : at, 0, level)
    return level
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
      if (!sender.drained) this.#levelOf(sender).old.add(sender)
      if (took > 0 || sender.drained) sender.offerRoom()
    }
    return progress
  }
}

function isEmpty({ fresh, old }: Level): boolean {
  return fresh.size + old.size === 0
}
