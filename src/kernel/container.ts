import type { DependencyContainer } from 'tsyringe'
import type { AnyToken } from './token.js'
import { tsyringe } from './tsyringe.js'

/**
 * The tsyringe container of a kernel, a child of its host's, made when it is first asked for. tsyringe has no way to
 * unregister, so nothing is registered twice and no instance is: there is one factory a token, which asks the kernel
 * who provides it now.
 */
export class KernelContainer {
  readonly #known = new Set<AnyToken>()
  #container: DependencyContainer | undefined

  constructor(
    private readonly parent: DependencyContainer | undefined,
    private readonly resolve: (token: AnyToken) => unknown
  ) {}

  get container(): DependencyContainer {
    return (this.#container ??= (this.parent ?? tsyringe().container).createChildContainer())
  }

  /** Makes contracts resolvable; those that are already stay as they are. */
  add(tokens: Iterable<AnyToken>): void {
    for (const token of tokens) {
      if (this.#known.has(token)) continue
      this.#known.add(token)
      this.container.register(token, { useFactory: () => this.resolve(token) })
    }
  }
}
