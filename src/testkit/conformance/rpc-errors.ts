import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import {
  client,
  duplex,
  InvalidInputError,
  PeerloomError,
  raw,
  RpcCode,
  RpcError,
  server,
  unary,
  type Method,
  type RpcErrorOptions
} from '../../kernel/index.js'
import { methods } from './rpc-calls.js'
import { collect, failure, has, type RpcTest } from './rpc-registry.js'

const nothing: Method<'unary', null> = unary()

function thrower(error: unknown): Method<'unary', null> {
  return unary(() => {
    throw error
  })
}

/** Made where the name of a function of ours is in its stack. */
function madeInASecretPlace(message: string): Error {
  return new Error(message, { cause: new Error('beneath') })
}

/** What goes wrong on either side, and how the caller is told. */
export function rpcErrorTests(test: RpcTest): void {
  test('tells the caller the code, message and data of an RpcError', async ({ a, b }) => {
    const data = { why: [1, null, 'x'] }
    b.registry.register({ own: thrower(new RpcError(4711, 'of its own', { data })) })
    const error = await failure(a.registry.client(a.connection, { own: nothing }).own(null))
    assert.ok(error instanceof RpcError)
    has(error, { code: 'ERR_RPC', rpcCode: 4711, message: 'of its own', data })
  })

  test('tells the caller of another error by its message, and of a bad input by its code', async ({ a, b }) => {
    b.registry.register({
      plain: thrower(new Error('just so')),
      rejects: unary(() => Promise.reject(new Error('later'))),
      input: thrower(new InvalidInputError('not that'))
    })
    const remote = a.registry.client(a.connection, { plain: nothing, rejects: nothing, input: nothing })
    has(await failure(remote.plain(null)), { rpcCode: RpcCode.HANDLER_FAILED, message: 'just so' })
    has(await failure(remote.rejects(null)), { rpcCode: RpcCode.HANDLER_FAILED, message: 'later' })
    has(await failure(remote.input(null)), { rpcCode: RpcCode.INVALID_PARAMS, message: 'not that' })
  })

  test('gives an error as an instance of the class that the caller has for its code', async ({ a, b }) => {
    class Known extends RpcError {
      static readonly rpcCode = 4712
      constructor(message: string, options: RpcErrorOptions) {
        super(Known.rpcCode, message, options)
      }
    }
    const error = new Known('as agreed', { data: [1], cause: new RpcError(5, 'beneath') })
    b.registry.register({
      own: thrower(error),
      stream: server<null, never>(() => {
        throw error
      })
    })
    const manifest = { own: nothing, stream: server<null, never>() }
    const knowing = a.registry.client(a.connection, manifest, { errors: [Known] })
    for (const told of [await failure(knowing.own(null)), await failure(knowing.stream(null).next())]) {
      assert.ok(told instanceof Known)
      has(told, { code: 'ERR_RPC', rpcCode: 4712, message: 'as agreed', data: [1] })
      has(told.cause, { rpcCode: 5, message: 'beneath' })
    }
    assert.ok(!((await failure(a.registry.client(a.connection, manifest).own(null))) instanceof Known))
  })

  test('sends no stack', async ({ a, b }) => {
    const error = madeInASecretPlace('in the open')
    assert.match(error.stack ?? '', /madeInASecretPlace/)
    b.registry.register({
      plain: thrower(error),
      own: thrower(new RpcError(1, 'in the open', { cause: error })),
      stream: server<null, never>(() => {
        throw error
      })
    })
    const remote = a.registry.client(a.connection, { plain: nothing, own: nothing, stream: server<null, never>() })
    for (const told of [
      await failure(remote.plain(null)),
      await failure(remote.own(null)),
      await failure(remote.stream(null).next())
    ]) {
      assert.match(told.message, /in the open/)
      assert.doesNotMatch(inspect(told, { depth: 20, showHidden: true }), /madeInASecretPlace/)
    }
  })

  test('makes an RpcError of whatever is thrown', async ({ a, b }) => {
    const hostile = {
      get message(): string {
        throw new Error('no')
      },
      toString(): string {
        throw new Error('no')
      }
    }
    const things: unknown[] = [
      undefined,
      null,
      'text',
      7,
      Symbol('s'),
      hostile,
      new RpcError(1, 'x', { data: 1n as never })
    ]
    for (const thing of things) {
      const takeBack = b.registry.register({ odd: thrower(thing) })
      const error = await failure(a.registry.client(a.connection, { odd: nothing }).odd(null))
      assert.ok(error instanceof RpcError, inspect(error))
      takeBack()
    }
  })

  test('says METHOD_NOT_FOUND to a call of any kind whose method is not offered', async ({ a, seen }) => {
    const remote = a.registry.client(a.connection, {
      unary: unary<null, null>(),
      client: client<number, null>(),
      server: server<null, null>(),
      duplex: duplex<number, null>(),
      raw: raw<null, null>()
    })
    const calls = [
      remote.unary(null),
      remote.client(seen.stuck('client', 1)),
      remote.server(null).next(),
      remote.duplex(seen.stuck('duplex', 1)).next(),
      remote.raw(null, seen.stuck('raw', Uint8Array.of(1)))
    ]
    for (const error of await Promise.all(calls.map(failure))) {
      assert.ok(error instanceof RpcError)
      has(error, { code: 'ERR_RPC', rpcCode: RpcCode.METHOD_NOT_FOUND })
    }
    assert.deepEqual(seen.left.sort(), ['client', 'duplex', 'raw'])
  })

  test('gives the messages that came before an error first, and nothing after it', async ({ a, b }) => {
    const broken = {
      some: server<null, number>(function* () {
        yield 1
        yield 2
        throw new RpcError(77, 'half-way')
      })
    }
    b.registry.register(broken)
    const items = a.registry.client(a.connection, broken).some(null)
    assert.deepEqual(await items.next(), { done: false, value: 1 })
    assert.deepEqual(await items.next(), { done: false, value: 2 })
    has(await failure(items.next()), { rpcCode: 77, message: 'half-way' })
    assert.equal((await items.next()).done, true)
  })

  test('ends a body whose source fails with an error, not as if it were whole', async ({ a, b }) => {
    const broken = {
      bytes: raw<null, null>(() => ({
        result: null,
        body: (function* () {
          yield Uint8Array.of(1)
          throw new RpcError(78, 'half-way')
        })()
      }))
    }
    b.registry.register(broken)
    const call = a.registry.client(a.connection, broken).bytes(null, [])
    const error = await failure(call.then(({ body }) => collect(body as unknown as AsyncIterable<Uint8Array>)))
    has(error, { rpcCode: 78 })
  })

  test('refuses an input that JSON cannot say with ERR_INVALID_INPUT', async ({ a, b }) => {
    b.registry.register(methods)
    const ring: Record<string, unknown> = {}
    ring['ring'] = ring
    const remote = a.registry.client(a.connection, {
      square: unary(),
      count: server(),
      sum: client<unknown, unknown>()
    })
    for (const input of [1n, ring]) {
      has(await failure(remote.square(input)), { code: 'ERR_INVALID_INPUT' })
      has(await failure(remote.count(input).next()), { code: 'ERR_INVALID_INPUT' })
      has(await failure(remote.sum([1, input])), { code: 'ERR_INVALID_INPUT' })
    }
    assert.deepEqual(await remote.square({ value: 2 }), { value: 4 })
  })

  test('fails with what its source of input throws, and tells the handler', async ({ a, b, time, seen }) => {
    const waiting = {
      all: client<number, never>(async (input, context) => {
        seen.contexts.push(context)
        await collect(input)
        return new Promise(() => undefined)
      })
    }
    b.registry.register(waiting)
    const problem = new Error('out of numbers')
    const source = (function* () {
      yield 1
      throw problem
    })()
    assert.equal(await failure(a.registry.client(a.connection, waiting).all(source)), problem)
    await time.until(() => seen.contexts.every(({ signal }) => signal.aborted))
  })

  test('fails with a typed error if its method is of another kind and no sense can be made of it', async ({ a, b }) => {
    b.registry.register(methods)
    const wrong = a.registry.client(a.connection, {
      square: client<number, unknown>(),
      count: unary<number, unknown>(),
      sum: server<number, unknown>()
    })
    for (const outcome of await Promise.allSettled([wrong.square([1]), wrong.count(3), collect(wrong.sum(1))])) {
      if (outcome.status === 'rejected') assert.ok(outcome.reason instanceof PeerloomError, inspect(outcome.reason))
    }
    assert.deepEqual(await a.registry.client(a.connection, methods).square({ value: 3 }), { value: 9 })
  })
}
