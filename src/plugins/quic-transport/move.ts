import { PeerloomError } from '../../kernel/index.js'
import { Address } from '../../model/index.js'
import type { Way } from './way.js'

/** How long the peer may take to follow. */
export const MOVE_MS = 3_000
/** When a sign of life is asked for again at first; then after twice as long each time, up to the last. */
const FIRST_ASK_MS = 33
const LAST_ASK_MS = 528

/** What a move does with its connection. */
export interface Mover {
  /** The way in use. */
  readonly way: Way
  /** When something came over the way in use last, or since when it is used. */
  readonly heardHereAt: number
  /** Uses another way from now on. */
  take(way: Way): void
  ping(): void
}

/** The dialler goes another way and waits until the peer's datagrams come over it too. */
export class Move {
  readonly done: Promise<void>
  /** The way that is left. */
  readonly before: Way
  readonly #begun: number
  #due: number
  #waitMs = FIRST_ASK_MS
  #resolve!: () => void
  #reject!: (error: PeerloomError) => void

  constructor(
    private readonly mover: Mover,
    private readonly way: Way,
    now: number
  ) {
    this.before = mover.way
    this.#due = now + this.#waitMs
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    mover.take(way)
    this.#begun = mover.heardHereAt
    mover.ping()
  }

  /** When the next turn is due. */
  get due(): number {
    return this.#due
  }

  turn(now: number): void {
    if (this.mover.heardHereAt > this.#begun) {
      this.succeed()
    } else if (now >= this.#begun + MOVE_MS) {
      this.fail('the peer does not follow')
    } else if (now >= this.#due) {
      this.#waitMs = Math.min(2 * this.#waitMs, LAST_ASK_MS)
      this.#due = Math.min(now + this.#waitMs, this.#begun + MOVE_MS)
      this.mover.ping()
    }
  }

  /** The peer has followed. */
  succeed(): void {
    this.#due = Infinity
    this.#resolve()
  }

  /** Goes back. */
  fail(why: string): void {
    this.#due = Infinity
    this.mover.take(this.before)
    this.#reject(new PeerloomError('ERR_PATH', `cannot move to ${Address.format(this.way.remote)}: ${why}`))
  }
}
