import 'reflect-metadata'
import { container as rootContainer, type DependencyContainer } from 'tsyringe'
import type { AnyToken } from './token.js'

/**
 * A child container with one factory a token. tsyringe has no way to unregister, so nothing is registered twice and
 * no instance is: each factory asks the kernel who provides the contract now.
 */
export function makeContainer(
  tokens: ReadonlySet<AnyToken>,
  resolve: (token: AnyToken) => unknown
): DependencyContainer {
  const container = rootContainer.createChildContainer()
  for (const token of tokens) container.register(token, { useFactory: () => resolve(token) })
  return container
}
