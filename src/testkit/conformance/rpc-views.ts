import assert from 'node:assert/strict'
import { RpcCode, RpcError, server, unary } from '../../kernel/index.js'
import { failsWith } from './fails-with.js'
import { failure, has, viewOf, type RpcTest } from './rpc-registry.js'

const one = unary<null, number>(() => 1)

/** What each plugin has of a registry, and what becomes of it when the plugin stops. */
export function rpcViewTests(test: RpcTest): void {
  test('knows which plugin registered what, and shows every plugin all of it', async ({ b }) => {
    const [first, second] = [viewOf(b, 'first'), viewOf(b, 'second')]
    first.rpc.register({ a: one })
    second.rpc.register({ b: one })
    first.rpc.register({ c: one })
    for (const { methods } of [first.rpc, second.rpc, b.registry]) {
      const told = methods.map(({ name, plugin }) => `${plugin}: ${name}`).sort()
      assert.deepEqual(told, ['first: a', 'first: c', 'second: b'])
    }
    assert.throws(() => second.rpc.register({ a: one }), failsWith('ERR_INVALID_INPUT'))
    await Promise.resolve()
  })

  test('takes back what a plugin registered when it stops, and nothing of others', async ({ a, b }) => {
    const [first, second] = [viewOf(b, 'first'), viewOf(b, 'second')]
    first.rpc.register({ a: one })
    first.rpc.register({ c: one })
    const takeBack = first.rpc.register({ d: one })
    takeBack()
    second.rpc.register({ b: one, d: one })
    await first.end()
    takeBack()
    const remote = a.registry.client(a.connection, { a: one, b: one, c: one, d: one })
    assert.equal(await remote.b(null), 1)
    assert.equal(await remote.d(null), 1)
    has(await failure(remote.a(null)), { rpcCode: RpcCode.METHOD_NOT_FOUND })
    has(await failure(remote.c(null)), { rpcCode: RpcCode.METHOD_NOT_FOUND })
    assert.deepEqual(b.registry.methods.map(({ name }) => name).sort(), ['b', 'd'])
    viewOf(b, 'first').rpc.register({ a: one })
    assert.equal(await remote.a(null), 1)
  })

  test('ends the calls to a plugin that stops with CANCELLED, and no others', async ({ a, b, time, seen }) => {
    const [first, second] = [viewOf(b, 'first'), viewOf(b, 'second')]
    const idle = {
      hang: unary(seen.hang),
      drip: server<null, number>((_input, context) => {
        seen.contexts.push(context)
        return seen.stuck('items', 1)
      })
    }
    let answer: ((value: number) => void) | undefined
    first.rpc.register(idle)
    second.rpc.register({ slow: unary(() => new Promise<number>((resolve) => (answer = resolve))) })
    const remote = a.registry.client(a.connection, { ...idle, slow: unary<null, number>() })
    const hanging = failure(remote.hang(null))
    const items = remote.drip(null)
    await items.next()
    const last = failure(items.next())
    const slow = remote.slow(null)
    await time.until(() => seen.contexts.length === 2 && answer !== undefined)
    await first.end()
    for (const error of [await hanging, await last]) {
      assert.ok(error instanceof RpcError)
      has(error, { code: 'ERR_RPC', rpcCode: RpcCode.CANCELLED })
    }
    await seen.aborted(time, 2, { rpcCode: RpcCode.CANCELLED })
    assert.deepEqual(seen.left, ['items'])
    answer?.(5)
    assert.equal(await slow, 5)
  })

  test('ends calls to a plugin that stops though their method was taken back', async ({ a, b, time, seen }) => {
    const view = viewOf(b, 'first')
    const idle = { hang: unary(seen.hang) }
    const takeBack = view.rpc.register(idle)
    const hanging = failure(a.registry.client(a.connection, idle).hang(null))
    await time.until(() => seen.contexts.length === 1)
    takeBack()
    view.rpc.register({ other: one })
    await view.end()
    has(await hanging, { rpcCode: RpcCode.CANCELLED })
  })

  test('takes nothing from a plugin that has stopped, with ERR_STATE', async ({ b }) => {
    const view = viewOf(b, 'first')
    await view.end()
    assert.throws(() => view.rpc.register({ a: one }), failsWith('ERR_STATE'))
    assert.deepEqual(b.registry.methods, [])
  })

  test('registers nothing more with a plugin however often methods come and go', async ({ b }) => {
    const view = viewOf(b, 'busy')
    view.rpc.register({ a: one })()
    const before = view.cleanUps.size
    for (let i = 0; i < 1_000; i++) view.rpc.register({ a: one })()
    assert.equal(view.cleanUps.size, before)
    assert.deepEqual(view.rpc.methods, [])
    view.rpc.register({ a: one })
    await view.end()
    assert.deepEqual(b.registry.methods, [])
  })
}
