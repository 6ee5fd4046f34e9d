/** A timer as the queue keeps it. */
export interface QueuedTimer {
  /** When it fires, in milliseconds of virtual time. */
  readonly due: number
  /** Timers of one instant fire in this order. */
  readonly order: number
  readonly background: boolean
  readonly callback: () => void
  /** Where the queue keeps it; −1 when it is in none. Changed by the queue alone. */
  at: number
}

/** Timers in the order in which they fire: a binary heap in which any timer can be removed. */
export class TimerQueue {
  readonly #heap: QueuedTimer[] = []
  #foreground = 0

  get size(): number {
    return this.#heap.length
  }

  /** Timers that are worth waiting for. */
  get foreground(): number {
    return this.#foreground
  }

  /** The timer that fires next. */
  get first(): QueuedTimer | undefined {
    return this.#heap[0]
  }

  add(timer: QueuedTimer): void {
    if (!timer.background) this.#foreground++
    this.#rise(timer, this.#heap.length)
  }

  /** Does nothing if the timer is not in the queue. */
  remove(timer: QueuedTimer): void {
    const { at } = timer
    if (at < 0) return
    timer.at = -1
    if (!timer.background) this.#foreground--
    const last = this.#heap.pop() as QueuedTimer
    if (last === timer) return
    if (at > 0 && isBefore(last, this.#heap[(at - 1) >> 1] as QueuedTimer)) this.#rise(last, at)
    else this.#sink(last, at)
  }

  #rise(timer: QueuedTimer, from: number): void {
    let at = from
    while (at > 0) {
      const above = (at - 1) >> 1
      const parent = this.#heap[above] as QueuedTimer
      if (isBefore(parent, timer)) break
      this.#put(parent, at)
      at = above
    }
    this.#put(timer, at)
  }

  #sink(timer: QueuedTimer, from: number): void {
    let at = from
    for (;;) {
      const left = 2 * at + 1
      const [first, second] = [this.#heap[left], this.#heap[left + 1]]
      if (first === undefined) break
      const right = second !== undefined && isBefore(second, first)
      const child = right ? second : first
      if (isBefore(timer, child)) break
      this.#put(child, at)
      at = right ? left + 1 : left
    }
    this.#put(timer, at)
  }

  #put(timer: QueuedTimer, at: number): void {
    this.#heap[at] = timer
    timer.at = at
  }
}

function isBefore(a: QueuedTimer, b: QueuedTimer): boolean {
  return a.due < b.due || (a.due === b.due && a.order < b.order)
}
