import { PeerloomError } from '../../model/index.js'

/** Moves of one connection that may wait for the one under way. */
export const MAX_MOVES = 16

/** The moves of a connection, one after another. */
export class Moves {
  #last: Promise<unknown> = Promise.resolve()
  #count = 0

  get isBusy(): boolean {
    return this.#count > 0
  }

  /** Rejects as `move` does, or with `ERR_LIMIT`. `ended` is called when the next one may begin. */
  async run(move: () => Promise<void>, ended: () => void): Promise<void> {
    if (this.#count >= MAX_MOVES) throw new PeerloomError('ERR_LIMIT', 'too many moves of this connection are waiting')
    this.#count++
    const turn = this.#last.then(move)
    this.#last = turn.catch(() => undefined)
    try {
      await turn
    } finally {
      this.#count--
      ended()
    }
  }
}
