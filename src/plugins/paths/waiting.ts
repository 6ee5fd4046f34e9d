import { abortReason, type Path } from '../../kernel/index.js'
import { PeerloomError } from '../../model/index.js'

/** Probes and requests to come of one connection that may be waited for; the course keeps room for its own. */
export const MAX_WAITING = 48

/** How something ended that was waited for: on a path, or in an error. */
export type Settle = (outcome: Path | PeerloomError) => void

/** Those who wait for an answer of the peer's. */
export class Waiting {
  readonly #settles = new Set<Settle>()

  get isNobody(): boolean {
    return this.#settles.size === 0
  }

  /**
   * Waits for what `begin` begins. That is told to `settle`, and undone by the function that `begin` returns if the
   * signal is aborted, or nothing is to be waited for any more; it returns none if nothing could be begun.
   */
  for(begin: (settle: Settle) => (() => unknown) | undefined, signal: AbortSignal | undefined): Promise<Path> {
    return new Promise((resolve, reject) => {
      const settle: Settle = (outcome) => {
        signal?.removeEventListener('abort', onAbort)
        this.#settles.delete(settle)
        undo?.()
        if (outcome instanceof PeerloomError) reject(outcome)
        else resolve(outcome)
      }
      const onAbort = (): void => {
        settle(abortReason(signal as AbortSignal))
      }
      const undo = this.#settles.size < MAX_WAITING ? begin(settle) : undefined
      if (undo === undefined) {
        reject(new PeerloomError('ERR_LIMIT', 'too many probes are under way on this connection'))
        return
      }
      this.#settles.add(settle)
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  fail(reason: PeerloomError): void {
    for (const settle of [...this.#settles]) settle(reason)
  }
}
