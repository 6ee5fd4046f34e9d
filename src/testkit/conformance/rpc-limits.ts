import assert from 'node:assert/strict'
import { client, RpcCode, server, unary, type MethodOptions } from '../../kernel/index.js'
import { methods } from './rpc-calls.js'
import { bytesOf, collect, failure, has, type RpcTest, type RpcWorld } from './rpc-registry.js'

const one = unary<unknown, number>(() => 1)

function oneWith({ a, b }: RpcWorld, options: MethodOptions): (input: unknown) => Promise<number> {
  b.registry.register({ one: { ...one, ...options } })
  return a.registry.client(a.connection, { one }).one
}

/** What a method refuses, and with which code. */
export function rpcLimitTests(test: RpcTest): void {
  test('answers BUSY beyond a rate, with the time after which to come again', async (world) => {
    for (const limits of [{ rate: { perSecond: 0.001 } }, { ratePerPeer: { perSecond: 0.001 } }]) {
      const { b } = world
      const takeBack = b.registry.register({ two: { ...one, limits } })
      const { two } = world.a.registry.client(world.a.connection, { two: one })
      assert.equal(await two(null), 1)
      const error = await failure(two(null))
      has(error, { rpcCode: RpcCode.BUSY })
      const { retryAfterMs } = (error as unknown as { data: { retryAfterMs: number } }).data
      assert.ok(retryAfterMs > 900_000 && retryAfterMs <= 1_000_000, String(retryAfterMs))
      takeBack()
    }
  })

  test('answers BUSY beyond the calls of a method at a time', async ({ a, b, time }) => {
    for (const limits of [{ concurrent: 1 }, { concurrentPerPeer: 1 }]) {
      const ends: (() => void)[] = []
      const slow = unary<null, null>(
        () =>
          new Promise((resolve) =>
            ends.push(() => {
              resolve(null)
            })
          ),
        { limits }
      )
      const takeBack = b.registry.register({ slow })
      const remote = a.registry.client(a.connection, { slow })
      const first = remote.slow(null)
      await time.until(() => ends.length === 1)
      has(await failure(remote.slow(null)), { rpcCode: RpcCode.BUSY })
      ends.pop()?.()
      assert.equal(await first, null)
      takeBack()
    }
  })

  test('refuses an input that is too long or too deep for its method with INVALID_PARAMS', async (world) => {
    const call = oneWith(world, { limits: { maxInputBytes: 10, maxInputDepth: 1 } })
    assert.equal(await call([1, 2]), 1)
    has(await failure(call('a long text')), { rpcCode: RpcCode.INVALID_PARAMS })
    has(await failure(call([[]])), { rpcCode: RpcCode.INVALID_PARAMS })
  })

  test('ends a streaming call that stands still, at both ends', async ({ a, b, time, seen }) => {
    const options = { idleTimeoutMs: 50 }
    b.registry.register({
      all: client<number, never>((items, context) => {
        seen.contexts.push(context)
        return collect(items).then(() => new Promise<never>(() => undefined))
      }, options),
      many: server<null, number>(async function* (_input, context) {
        seen.contexts.push(context)
        yield* seen.stuck('many', 1)
      })
    })
    const manifest = { all: client<number, never>(), many: server<null, number>(undefined, options) }
    const remote = a.registry.client(a.connection, manifest)
    const calls = [failure(remote.all(seen.stuck('all', 1))), failure(collect(remote.many(null)))]
    for (const error of await Promise.all(calls)) {
      has(error, { code: 'ERR_RPC_IDLE', rpcCode: RpcCode.IDLE })
    }
    await seen.aborted(time, 2, { code: 'ERR_RPC_IDLE' })
  })

  test('answers FORBIDDEN to whom a method is not for, or METHOD_NOT_FOUND if it is hidden', async ({ a, b }) => {
    for (const hidden of [false, true]) {
      const asked: string[] = []
      const takeBack = b.registry.register(methods, {
        defaults: { hidden, allow: ({ nodeId }, method) => Promise.resolve(asked.push(`${nodeId} ${method}`) === 0) }
      })
      const remote = a.registry.client(a.connection, methods)
      const calls = [
        remote.square({ value: 1 }),
        remote.sum([1]),
        collect(remote.count(1)),
        collect(remote.double([1])),
        remote.invert({ title: '' }, []).then(({ body }) => bytesOf(body))
      ]
      for (const error of await Promise.all(calls.map(failure))) {
        has(error, { rpcCode: hidden ? RpcCode.METHOD_NOT_FOUND : RpcCode.FORBIDDEN })
      }
      assert.deepEqual(
        asked.sort(),
        Object.keys(methods)
          .map((method) => `${a.id} ${method}`)
          .sort()
      )
      takeBack()
    }
  })
}
