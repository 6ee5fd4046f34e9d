import assert from 'node:assert/strict'
import { server, unary } from '../../kernel/index.js'
import { type RpcTest } from './rpc-registry.js'

/** What a node tells of its methods. */
export function rpcListingTests(test: RpcTest): void {
  test('lists to a peer what that may call, and nothing else', async ({ a, b }) => {
    assert.deepEqual(await a.registry.methodsOf(a.connection), [])
    const limits = { concurrent: 3, ratePerPeer: { perSecond: 2, burst: 4 } }
    const takeBack = b.registry.register({
      plain: server(() => []),
      rich: unary(() => 1, { timeoutMs: 500, idempotent: true, limits, allow: ({ nodeId }) => nodeId === a.id }),
      never: unary(() => 1, { allow: () => false }),
      hidden: unary(() => 1, { allow: () => Promise.resolve(false), hidden: true }),
      broken: unary(() => 1, { allow: () => Promise.reject(new Error('no')) })
    })
    const listed = await a.registry.methodsOf(() => Promise.resolve(a.connection))
    assert.deepEqual(
      listed.sort((x, y) => (x.name < y.name ? -1 : 1)),
      [
        { name: 'plain', kind: 'server' },
        { name: 'rich', kind: 'unary', timeoutMs: 500, idempotent: true, limits }
      ]
    )
    takeBack()
    assert.deepEqual(await a.registry.methodsOf(a.connection), [])
  })
}
