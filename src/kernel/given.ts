import type { DependencyContainer } from 'tsyringe'
import { KernelError } from './errors.js'
import type { Given } from './graph.js'
import { isMulti, tokenName, type AnyToken } from './token.js'

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
    const found = isMulti(token) ? this.parent?.resolveAll<unknown>(token) : this.parent?.resolve<unknown>(token)
    for (const one of isMulti(token) ? (found as readonly unknown[]) : [found]) refusePromise(token, one)
    return found
  }

  #isInParent(token: AnyToken): boolean {
    try {
      return this.parent?.isRegistered(token, true) ?? false
    } catch {
      // A container that the host has disposed of has nothing any more.
      return false
    }
  }
}

/** A factory of the host's may be asynchronous, but tsyringe waits for none. */
function refusePromise(token: AnyToken, found: unknown): void {
  if (typeof (found as { then?: unknown } | null | undefined)?.then !== 'function') return
  throw new KernelError(
    'ERR_GRAPH',
    `the host has registered a promise as ${tokenName(token)}; await it first, and register what it resolves to`
  )
}
