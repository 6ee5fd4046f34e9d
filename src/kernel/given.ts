import type { DependencyContainer } from 'tsyringe'
import type { Given } from './graph.js'
import { isMulti, type AnyToken } from './token.js'

/**
 * Contracts that no plugin has to provide: the kernel's own, and whatever is registered in the container of the
 * application that the kernel is embedded in.
 */
export class GivenContracts implements Given {
  constructor(
    private readonly own: ReadonlyMap<AnyToken, unknown>,
    private readonly parent: DependencyContainer | undefined
  ) {}

  isOwn(token: AnyToken): boolean {
    return this.own.has(token)
  }

  has(token: AnyToken): boolean {
    return this.own.has(token) || this.#isInParent(token)
  }

  /** The fulfilment; of a contract with any number of providers, all; `undefined` if there is none. */
  get(token: AnyToken): unknown {
    if (this.own.has(token)) return this.own.get(token)
    if (!this.#isInParent(token)) return undefined
    return isMulti(token) ? this.parent?.resolveAll<unknown>(token) : this.parent?.resolve<unknown>(token)
  }

  #isInParent(token: AnyToken): boolean {
    return this.parent?.isRegistered(token, true) ?? false
  }
}
