import { Path } from '../../kernel/index.js'
import type { Answer } from './questions.js'

/** Answers of ours that may wait for their confirmation; the oldest are given up. */
export const MAX_RETURNS = 64

/**
 * What the answers to the peer's probes ask in return. The peer repeats the number, which it cannot guess, from where it
 * was answered, so this side knows as well that the path works, and nobody has sent more than he received. Pure.
 */
export class Returns {
  readonly #asked = new Map<string, { readonly path: Path; readonly sentAt: number }>()

  ask(number: string, path: Path, now: number): void {
    this.#asked.set(number, { path, sentAt: now })
    for (const [oldest] of this.#asked) {
      if (this.#asked.size <= MAX_RETURNS) return
      this.#asked.delete(oldest)
    }
  }

  answered(number: string, path: Path, now: number): Answer | undefined {
    const asked = this.#asked.get(number)
    if (asked === undefined || !Path.equals(asked.path, path)) return undefined
    this.#asked.delete(number)
    return { path, rttMs: now - asked.sentAt }
  }
}
