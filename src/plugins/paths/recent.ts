/** Numbers of probes that were obeyed, so that none is obeyed twice. The oldest are forgotten. */
export class RecentNumbers {
  readonly #numbers = new Set<string>()

  constructor(private readonly limit: number) {}

  /** False if it is known already. */
  add(number: string): boolean {
    if (this.#numbers.has(number)) return false
    this.#numbers.add(number)
    for (const oldest of this.#numbers) {
      if (this.#numbers.size <= this.limit) break
      this.#numbers.delete(oldest)
    }
    return true
  }
}
