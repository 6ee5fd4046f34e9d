import type { Clock, ClockTimer } from '../../kernel/index.js'

/** What has a time by which it is to be over. */
export interface Expiring {
  /** That time, by `Clock.monotonic`. Changed only while it is not in the queue. */
  readonly due: number
  /** Where the queue keeps it; −1 when it is not there. Changed by the queue alone. */
  place: number
  /** The time has come; the queue has let go of it. */
  expire(): void
}

/**
 * The deadlines of all calls of a node on one timer: a binary heap, since most calls end long before their time and are
 * taken out again. New ones are nearly always the last to fall due, so that adding one takes a step or two.
 */
export class Deadlines {
  readonly #heap: Expiring[] = []
  #timer: ClockTimer | undefined
  /** When the timer fires; it may be early, since taking out the first one leaves it alone. */
  #fires = Infinity
  #lasting = false

  constructor(private readonly clock: Clock) {}

  now(): number {
    return this.clock.monotonic()
  }

  /** Whether the timer stays when nothing is there: calls one after another would set and clear it each time. */
  set lasting(lasting: boolean) {
    this.#lasting = lasting
    this.#tidy()
  }

  /** Something that is not there yet. */
  add(item: Expiring): void {
    this.#rise(item, this.#heap.length)
    if (item.due < this.#fires) this.#arm(item.due)
  }

  /** Does nothing for what is not there. */
  remove(item: Expiring): void {
    const { place } = item
    if (place < 0) return
    item.place = -1
    const last = this.#heap.pop() as Expiring
    if (last !== item) {
      if (place > 0 && last.due < (this.#heap[(place - 1) >> 1] as Expiring).due) this.#rise(last, place)
      else this.#sink(last, place)
    } else {
      this.#tidy()
    }
  }

  #tidy(): void {
    if (this.#lasting || this.#heap.length > 0) return
    this.#timer?.clear()
    this.#timer = undefined
    this.#fires = Infinity
  }

  readonly #fire = (): void => {
    this.#timer = undefined
    this.#fires = Infinity
    const now = this.now()
    for (let next = this.#heap[0]; next !== undefined; next = this.#heap[0]) {
      // A platform's timers fire early when the delay is beyond their range; fractions of a millisecond do not matter.
      if (next.due - now >= 1) {
        if (next.due < this.#fires) this.#arm(next.due)
        return
      }
      this.remove(next)
      next.expire()
    }
  }

  #arm(due: number): void {
    this.#timer?.clear()
    this.#fires = due
    this.#timer = this.clock.setTimeout(this.#fire, due - this.now())
  }

  #rise(item: Expiring, from: number): void {
    let place = from
    while (place > 0) {
      const above = (place - 1) >> 1
      const parent = this.#heap[above] as Expiring
      if (parent.due <= item.due) break
      this.#put(parent, place)
      place = above
    }
    this.#put(item, place)
  }

  #sink(item: Expiring, from: number): void {
    let place = from
    for (;;) {
      const left = 2 * place + 1
      const first = this.#heap[left]
      const second = this.#heap[left + 1]
      if (first === undefined) break
      const right = second !== undefined && second.due < first.due
      const child = right ? second : first
      if (item.due <= child.due) break
      this.#put(child, place)
      place = right ? left + 1 : left
    }
    this.#put(item, place)
  }

  #put(item: Expiring, place: number): void {
    this.#heap[place] = item
    item.place = place
  }
}
