import type { MemoryStream } from './stream.js'

/** Every so many packets an urgency goes first that would not: each in its turn, so that none waits for ever. */
const FAVOURED = 8

/** The streams that have something to send: the more urgent first, those of one urgency in turn. */
export class SendOrder {
  readonly #levels = new Map<number, Set<MemoryStream>>()
  #packets = 0
  #favoured = 0

  get isEmpty(): boolean {
    return this.#levels.size === 0
  }

  add(stream: MemoryStream): void {
    const level = this.#levels.get(stream.urgency)
    if (level === undefined) this.#levels.set(stream.urgency, new Set([stream]))
    else level.add(stream)
  }

  /** Returns whether it was there. */
  delete(stream: MemoryStream): boolean {
    const level = this.#levels.get(stream.urgency)
    const found = level?.delete(stream) ?? false
    if (level?.size === 0) this.#levels.delete(stream.urgency)
    return found
  }

  clear(): void {
    this.#levels.clear()
  }

  /** Whom to ask for the next packet. Whoever is asked leaves; who still has something comes back by `add`. */
  *next(): Generator<MemoryStream, void, void> {
    const levels = [...this.#levels].sort(([a], [b]) => a - b).map(([, streams]) => streams)
    if (++this.#packets % FAVOURED === 0) {
      levels.unshift(...levels.splice(this.#favoured++ % levels.length, 1))
    }
    for (const level of levels) {
      for (const stream of level) {
        this.delete(stream)
        yield stream
      }
    }
  }
}
