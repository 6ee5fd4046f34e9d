import 'reflect-metadata'
import { container as rootContainer, type DependencyContainer } from 'tsyringe'
import type { AnyToken } from './token.js'

/**
 * The tsyringe container of a kernel, a child of its host's. tsyringe has no way to unregister, so nothing is
 * registered twice and no instance is: there is one factory a token, which asks the kernel who provides it now.
 */
export class KernelContainer {
  readonly container: DependencyContainer
  readonly #known = new Set<AnyToken>()

  constructor(
    parent: DependencyContainer = rootContainer,
    private readonly resolve: (token: AnyToken) => unknown
  ) {
    this.container = parent.createChildContainer()
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
