import assert from 'node:assert/strict'
import { RpcCode, RpcError, type Middleware } from '../../kernel/index.js'
import { methods } from './rpc-calls.js'
import { bytesOf, collect, failure, has, viewOf, type RpcTest } from './rpc-registry.js'

/** What stands between calls and handlers. */
export function rpcMiddlewareTests(test: RpcTest): void {
  test('runs middleware in its order, on both sides, for calls of every kind, and tells each end', async (world) => {
    const { a, b, time } = world
    const trace: string[] = []
    const noted =
      (name: string): Middleware =>
      async (call) => {
        trace.push(`${name} ${call.kind}`)
        call.onEnd(({ error }) => trace.push(`${name} ended${error === undefined ? '' : ' badly'}`))
        return call.next()
      }
    b.registry.register(methods, { use: [noted('third')] })
    const off = b.registry.use(noted('second'))
    const remote = a.registry.client(a.connection, methods, { use: [noted('first')] })
    const calls = {
      unary: () => remote.square({ value: 1 }),
      client: () => remote.sum([1]),
      server: () => collect(remote.count(1)),
      duplex: () => collect(remote.double([1])),
      raw: async () => bytesOf((await remote.invert({ title: '' }, [Uint8Array.of(1)])).body)
    }
    for (const [kind, call] of Object.entries(calls)) {
      trace.length = 0
      await call()
      await time.until(() => trace.length === 6)
      assert.deepEqual(trace.slice(0, 3), [`first ${kind}`, `second ${kind}`, `third ${kind}`])
      assert.deepEqual(trace.slice(3).sort(), ['first ended', 'second ended', 'third ended'])
    }
    off()
    trace.length = 0
    await remote.square({ value: 1 })
    assert.ok(!trace.includes('second unary'), trace.join())
  })

  test('lets middleware refuse a call', async ({ a, b }) => {
    b.registry.register(methods, {
      use: [
        () => {
          throw new RpcError(RpcCode.FORBIDDEN, 'no')
        }
      ]
    })
    const remote = a.registry.client(a.connection, methods)
    has(await failure(remote.square({ value: 1 })), { rpcCode: RpcCode.FORBIDDEN, message: 'no' })
    has(await failure(collect(remote.count(1))), { rpcCode: RpcCode.FORBIDDEN, message: 'no' })
  })

  test('takes the middleware of a plugin back when it stops', async ({ a, b }) => {
    b.registry.register(methods)
    const view = viewOf(b, 'guard')
    view.rpc.use(() => {
      throw new RpcError(RpcCode.FORBIDDEN, 'no')
    })
    const remote = a.registry.client(a.connection, methods)
    has(await failure(remote.square({ value: 1 })), { rpcCode: RpcCode.FORBIDDEN })
    await view.end()
    assert.deepEqual(await remote.square({ value: 2 }), { value: 4 })
  })
}
