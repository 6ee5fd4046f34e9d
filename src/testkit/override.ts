import { definePlugin, tokenName, type AnyToken, type Plugin, type ProvidedType } from '../kernel/index.js'

/**
 * A plugin that provides a contract with an object of yours. Put among the plugins of a node or a test network, it
 * takes the place of whatever would provide the contract; a contract that may have many providers gets one more.
 *
 * @example
 * const router: Router = { ...nothingToFind, find: () => Promise.reject(new PeerloomError('ERR_NOT_FOUND', 'nowhere')) }
 * await using network = await createTestNetwork({ nodes: 2, plugins: [override(Router, router)] })
 */
export function override<K extends AnyToken>(token: K, implementation: ProvidedType<K>): Plugin {
  return definePlugin({
    name: `override/${tokenName(token)}`.replace(/[^\w@/.-]/g, ''),
    provides: { implementation: token },
    start: () => ({ implementation })
  })
}
