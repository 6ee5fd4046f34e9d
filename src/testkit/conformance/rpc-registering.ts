import assert from 'node:assert/strict'
import { RpcCode, unary, type ClientOptions, type MethodMap } from '../../kernel/index.js'
import { failsWith } from './fails-with.js'
import { methods } from './rpc-calls.js'
import { failure, has, type RpcTest } from './rpc-registry.js'

const MAX_NAME = 128
const one = unary<null, number>(() => 1)
const two = unary<null, number>(() => 2)
const badNames = ['', 'a b', 'ä', 'a/b', 'a\n', '\u{1f600}', 'rpc.x', 'x'.repeat(MAX_NAME + 1)]

/** Names, namespaces, and methods that come and go. */
export function rpcRegisteringTests(test: RpcTest): void {
  test('lists what is offered: name, kind and who registered it', async ({ b }) => {
    assert.deepEqual(b.registry.methods, [])
    const takeBack = b.registry.register(methods)
    const kinds = { square: 'unary', sum: 'client', count: 'server', double: 'duplex', invert: 'raw' }
    const expected = Object.entries(kinds).map(([name, kind]) => ({ name, kind, plugin: 'application' }))
    const listed = [...b.registry.methods].sort((x, y) => expectedAt(expected, x) - expectedAt(expected, y))
    assert.deepEqual(
      listed.map(({ name, kind, plugin }) => ({ name, kind, plugin })),
      expected
    )
    takeBack()
    assert.deepEqual(b.registry.methods, [])
    await Promise.resolve()
  })

  test('takes every name of 1 to 128 letters, digits, `_`, `.` and `-`', async ({ a, b }) => {
    for (const name of ['a', 'A.b_c-9', '0', '.', 'rpc', 'rpcx.y', '__proto__', 'constructor', 'x'.repeat(MAX_NAME)]) {
      b.registry.register({ [name]: one })
      assert.equal(await a.registry.client(a.connection, { [name]: one })[name]?.(null), 1, name)
    }
  })

  test('refuses malformed and reserved names with ERR_INVALID_INPUT, on both sides', async ({ a, b }) => {
    const refused = (method: string, options?: Pick<ClientOptions, 'namespace'>): void => {
      assert.throws(() => b.registry.register({ [method]: one }, options), failsWith('ERR_INVALID_INPUT'))
      assert.throws(() => a.registry.client(a.connection, { [method]: one }, options), failsWith('ERR_INVALID_INPUT'))
    }
    for (const name of badNames) refused(name)
    for (const namespace of ['', 'a b', 'rpc', 'x'.repeat(MAX_NAME - 1)]) refused('xx', { namespace })
    assert.deepEqual(b.registry.methods, [])
    await Promise.resolve()
  })

  test('refuses what is no method with ERR_INVALID_INPUT', async ({ a, b }) => {
    const refused = (method: unknown): void => {
      assert.throws(() => b.registry.register({ fine: one, bad: method } as MethodMap), failsWith('ERR_INVALID_INPUT'))
    }
    for (const method of [unary(), null, undefined, 7, {}, () => 1, { kind: 'odd', handle: () => 1 }]) refused(method)
    for (const map of [undefined, null, 7]) {
      assert.throws(() => b.registry.register(map as never), failsWith('ERR_INVALID_INPUT'))
    }
    for (const timeoutMs of [0, -1, NaN, '1']) refused({ ...one, timeoutMs })
    assert.deepEqual(b.registry.methods, [])
    for (const entry of [null, undefined, {}, { kind: 'odd' }]) {
      assert.throws(() => a.registry.client(a.connection, { x: entry as never }), failsWith('ERR_INVALID_INPUT'))
    }
    await Promise.resolve()
  })

  test('refuses a name that is taken, and then offers none of the others', async ({ a, b }) => {
    b.registry.register({ taken: one })
    for (const map of [
      { fresh: two, taken: two },
      { taken: two, fresh: two }
    ]) {
      assert.throws(() => b.registry.register(map), failsWith('ERR_INVALID_INPUT'))
    }
    assert.deepEqual(
      b.registry.methods.map(({ name }) => name),
      ['taken']
    )
    const remote = a.registry.client(a.connection, { taken: one, fresh: one })
    assert.equal(await remote.taken(null), 1)
    has(await failure(remote.fresh(null)), { rpcCode: RpcCode.METHOD_NOT_FOUND })
  })

  test('puts a namespace before each name, with a dot', async ({ a, b }) => {
    b.registry.register({ ping: one }, { namespace: 'acme' })
    b.registry.register({ ping: two })
    assert.deepEqual(b.registry.methods.map(({ name }) => name).sort(), ['acme.ping', 'ping'])
    assert.equal(await a.registry.client(a.connection, { ping: one }, { namespace: 'acme' }).ping(null), 1)
    assert.equal(await a.registry.client(a.connection, { 'acme.ping': one })['acme.ping'](null), 1)
    assert.equal(await a.registry.client(a.connection, { ping: one }).ping(null), 2)
    assert.throws(() => b.registry.register({ 'acme.ping': two }), failsWith('ERR_INVALID_INPUT'))
  })

  test('lets calls finish whose method is taken back, and takes no more', async ({ a, b, time }) => {
    let answer: ((value: number) => void) | undefined
    const slow = { slow: unary<null, number>(() => new Promise((resolve) => (answer = resolve))) }
    const takeBack = b.registry.register(slow)
    const remote = a.registry.client(a.connection, slow)
    const call = remote.slow(null)
    await time.until(() => answer !== undefined)
    takeBack()
    has(await failure(remote.slow(null)), { rpcCode: RpcCode.METHOD_NOT_FOUND })
    answer?.(5)
    assert.equal(await call, 5)
  })

  test('frees a name that is taken back, and takes back nothing of those who have it after', async ({ a, b }) => {
    const takeBack = b.registry.register({ x: one, y: one })
    takeBack()
    b.registry.register({ x: two })
    takeBack()
    const remote = a.registry.client(a.connection, { x: one, y: one })
    assert.equal(await remote.x(null), 2)
    has(await failure(remote.y(null)), { rpcCode: RpcCode.METHOD_NOT_FOUND })
  })

  test('reads a map of methods once', async ({ a, b }) => {
    const map: Record<string, typeof one> = { x: one }
    b.registry.register(map)
    map['x'] = two
    map['y'] = two
    const remote = a.registry.client(a.connection, { x: one, y: one })
    assert.equal(await remote.x(null), 1)
    has(await failure(remote.y(null)), { rpcCode: RpcCode.METHOD_NOT_FOUND })
  })

  test('gives functions for what a manifest names, and nothing else', async ({ a, b }) => {
    b.registry.register({ x: one })
    // An async function may return a client: it must not look like a promise.
    const remote = await Promise.resolve(a.registry.client(a.connection, { x: one }))
    assert.deepEqual(Object.keys(remote), ['x'])
    assert.equal(await remote.x(null), 1)
    assert.equal(Reflect.get(remote, 'y'), undefined)
  })
}

function expectedAt(expected: readonly { name: string }[], { name }: { name: string }): number {
  return expected.findIndex((each) => each.name === name)
}
