import assert from 'node:assert/strict'
import { client, duplex, raw, server, unary, type CallContext, type JsonValue } from '../../kernel/index.js'
import { Address } from '../../model/index.js'
import { bytesOf, collect, failure, has, type RpcTest } from './rpc-registry.js'
import { pattern } from './transport.js'

const MANY_CALLS = 200
const MANY_ITEMS = 2_000
const LARGE_BYTES = 1_000_000

/** A method of each kind. */
export const methods = {
  square: unary(({ value }: { value: number }) => ({ value: value ** 2 })),
  sum: client<number, number>(async (numbers) => {
    let sum = 0
    for await (const number of numbers) sum += number
    return sum
  }),
  count: server<number, number>(function* (to) {
    for (let i = 0; i < to; i++) yield i
  }),
  double: duplex<number, number>(async function* (numbers) {
    for await (const number of numbers) yield number * 2
  }),
  invert: raw<{ title: string }, { length: number }>(({ title }, body) => ({
    result: { length: title.length },
    body: (async function* () {
      for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) yield chunk.map((byte) => byte ^ 0xff)
    })()
  }))
}

/** The five kinds of call, and what they carry. */
export function rpcCallTests(test: RpcTest): void {
  test('answers a call of each kind, in both directions on one connection', async ({ a, b }) => {
    for (const [near, far] of [
      [a, b],
      [b, a]
    ] as const) {
      far.registry.register(methods)
      const remote = near.registry.client(near.connection, methods)
      assert.deepEqual(await remote.square({ value: 12 }), { value: 144 })
      assert.equal(await remote.sum([1, 2, 3]), 6)
      assert.deepEqual(await collect(remote.count(4)), [0, 1, 2, 3])
      assert.deepEqual(await collect(remote.double([1, 2, 3])), [2, 4, 6])
      const { result, body } = await remote.invert({ title: 'four' }, [Uint8Array.of(1), Uint8Array.of(2, 3)])
      assert.deepEqual(result, { length: 4 })
      assert.deepEqual([...(await bytesOf(body))], [254, 253, 252])
    }
  })

  test('takes handlers and sources of every make: plain, async, iterable', async ({ a, b }) => {
    const made = {
      later: unary(async (input: number) => Promise.resolve(input + 1)),
      list: server<null, number>(() => [1, 2]),
      echo: duplex<number, number>((input) => input),
      bytes: raw<null, null>(() => Promise.resolve({ result: null, body: [Uint8Array.of(7)] }))
    }
    b.registry.register(made)
    const remote = a.registry.client(a.connection, made)
    assert.equal(await remote.later(1), 2)
    assert.deepEqual(await collect(remote.list(null)), [1, 2])
    assert.deepEqual(await collect(remote.echo(new Set([1, 2]))), [1, 2])
    assert.deepEqual(
      await collect(
        remote.echo(
          (async function* () {
            yield await Promise.resolve(3)
          })()
        )
      ),
      [3]
    )
    assert.deepEqual([...(await bytesOf((await remote.bytes(null, [])).body))], [7])
  })

  test('carries what is empty', async ({ a, b }) => {
    b.registry.register(methods)
    const remote = a.registry.client(a.connection, methods)
    assert.equal(await remote.sum([]), 0)
    assert.deepEqual(await collect(remote.count(0)), [])
    assert.deepEqual(await collect(remote.double([])), [])
    assert.equal((await bytesOf((await remote.invert({ title: '' }, [])).body)).length, 0)
    assert.equal((await bytesOf((await remote.invert({ title: '' }, [new Uint8Array(0)])).body)).length, 0)
  })

  test('carries JSON unchanged, and nothing as null', async ({ a, b }) => {
    const echo = { echo: unary((input: unknown) => input), each: duplex<unknown, unknown>((input) => input) }
    b.registry.register(echo)
    const remote = a.registry.client(a.connection, echo)
    const values: JsonValue[] = [
      null,
      true,
      0,
      -1.5e300,
      '',
      'ä\u{1f600}\u2028\0"\\',
      [],
      {},
      [[null], { a: { b: [1] } }]
    ]
    for (const value of values) assert.deepEqual(await remote.echo(value), value)
    assert.deepEqual(await collect(remote.each(values)), values)
    assert.deepEqual(await remote.echo({ a: undefined, b: 1 }), { b: 1 })
    assert.equal(await remote.echo(undefined), null)
  })

  test('answers many calls at a time, each with its own answer', async ({ a, b }) => {
    for (const end of [a, b]) end.registry.register(methods)
    const there = a.registry.client(a.connection, methods)
    const back = b.registry.client(b.connection, methods)
    const values = Array.from({ length: MANY_CALLS }, (_, value) => value)
    const answers = await Promise.all(values.map((value) => (value % 2 === 0 ? there : back).square({ value })))
    assert.deepEqual(
      answers,
      values.map((value) => ({ value: value ** 2 }))
    )
  })

  test('keeps the order of many messages', async ({ a, b }) => {
    b.registry.register(methods)
    const remote = a.registry.client(a.connection, methods)
    const numbers = Array.from({ length: MANY_ITEMS }, (_, i) => i)
    assert.deepEqual(await collect(remote.count(MANY_ITEMS)), numbers)
    assert.deepEqual(
      await collect(remote.double(numbers)),
      numbers.map((i) => 2 * i)
    )
    assert.equal(await remote.sum(numbers), (MANY_ITEMS * (MANY_ITEMS - 1)) / 2)
  })

  test('carries large messages and bodies unchanged', async ({ a, b }) => {
    const echo = { echo: unary((input: string) => input), invert: methods.invert }
    b.registry.register(echo)
    const remote = a.registry.client(a.connection, echo)
    const text = 'ä'.repeat(LARGE_BYTES / 4)
    assert.ok((await remote.echo(text)) === text)
    const bytes = pattern(LARGE_BYTES)
    const { body } = await remote.invert({ title: '' }, [bytes.subarray(0, 3), bytes.subarray(3)])
    assert.ok((await bytesOf(body)).equals(bytes.map((byte) => byte ^ 0xff)))
  })

  test('answers before the input has ended', async ({ a, b, seen }) => {
    const early = {
      first: client<number, number>(async (input) => {
        for await (const item of input) return item
        return -1
      }),
      echo: duplex<number, number>((input) => input)
    }
    b.registry.register(early)
    const remote = a.registry.client(a.connection, early)
    assert.equal(await remote.first(seen.stuck('input', 7)), 7)
    assert.deepEqual(seen.left, ['input'])
    const items = remote.echo(seen.stuck('more', 8))
    assert.deepEqual(await items.next(), { done: false, value: 8 })
    await items.return?.()
  })

  test('tells the handler who calls, and how long it may take', async ({ a, b }) => {
    const contexts: CallContext[] = []
    const watched = {
      watched: unary(
        (_input: null, context: CallContext) => {
          contexts.push(context)
          return { left: context.timer.getTimeout(), meta: context.meta }
        },
        { timeoutMs: 5_000 }
      )
    }
    b.registry.register(watched)
    const { left, meta } = await a.registry.client(a.connection, watched).watched(null)
    assert.ok(left > 0 && left <= 5_000)
    has(meta, { nodeId: a.id, connection: b.connection.id, remote: Address.format(b.connection.remote) })
    assert.equal(contexts[0]?.timer.timeoutMs, 5_000)
    assert.equal(contexts[0].signal.aborted, false)
  })

  test('asks for a connection when a call is made, and fails as that does', async ({ a, b }) => {
    b.registry.register(methods)
    let asked = 0
    const remote = a.registry.client(({ signal }) => {
      assert.ok(signal instanceof AbortSignal)
      asked++
      return Promise.resolve(a.connection)
    }, methods)
    assert.equal(asked, 0)
    await remote.square({ value: 1 })
    await collect(remote.count(1))
    assert.equal(asked, 2)
    const problem = new Error('no way there')
    const lost = a.registry.client(() => Promise.reject(problem), methods)
    assert.equal(await failure(lost.square({ value: 1 })), problem)
    assert.equal(await failure(lost.count(1).next()), problem)
    assert.equal(await failure(lost.invert({ title: '' }, [])), problem)
  })
}
