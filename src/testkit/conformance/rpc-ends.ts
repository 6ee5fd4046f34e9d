import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { client, CloseCode, PeerloomError, raw, RpcCode, server, unary, type CallContext } from '../../kernel/index.js'
import { methods } from './rpc-calls.js'
import { collect, failure, has, type RpcTest, type Seen } from './rpc-registry.js'

const BRIEF_MS = 60
const LONG_MS = 60_000

/** Methods whose calls come to no end by themselves. */
function idleMethods(seen: Seen) {
  return {
    hang: unary(seen.hang),
    drip: server<null, number>((_input, context) => {
      seen.contexts.push(context)
      return seen.stuck('items', 1)
    }),
    swallow: client<number, never>(async (input, context) => {
      seen.contexts.push(context)
      await collect(input)
      return new Promise(() => undefined)
    }),
    bytes: raw<null, null>((_input, _body, context) => {
      seen.contexts.push(context)
      return { result: null, body: seen.stuck('body', Uint8Array.of(1)) }
    })
  }
}

/** Cancellation, deadlines, and connections and nodes that end. */
export function rpcEndTests(test: RpcTest): void {
  test('makes no call whose signal is aborted', async ({ a, b, seen, time }) => {
    const idle = idleMethods(seen)
    b.registry.register({ ...idle, square: methods.square })
    const remote = a.registry.client(a.connection, { ...idle, square: methods.square })
    const reason = new PeerloomError('ACME_ENOUGH', 'enough')
    const signal = AbortSignal.abort(reason)
    assert.equal(await failure(remote.hang(null, { signal })), reason)
    assert.equal(await failure(remote.drip(null, { signal }).next()), reason)
    assert.equal(await failure(remote.swallow([], { signal })), reason)
    assert.equal(await failure(remote.bytes(null, [], { signal })), reason)
    await remote.square({ value: 1 })
    await time.sleep(BRIEF_MS)
    assert.deepEqual(seen.contexts, [])
  })

  test('ends a call with the reason of its signal, and tells the handler', async ({ a, b, seen, time }) => {
    const idle = idleMethods(seen)
    b.registry.register(idle)
    const remote = a.registry.client(a.connection, idle)
    const controller = new AbortController()
    const { signal } = controller
    const items = remote.drip(null, { signal })
    await items.next()
    const { body } = await remote.bytes(null, [], { signal })
    const calls = [
      failure(remote.hang(null, { signal })),
      failure(items.next()),
      failure(remote.swallow(seen.stuck('input', 1), { signal }))
    ]
    await time.until(() => seen.contexts.length === 4)
    const stranger = failure(remote.hang(null))
    await time.until(() => seen.contexts.length === 5)
    const cause = new Error('enough')
    controller.abort(cause)
    for (const error of [...(await Promise.all(calls)), await failure(collect(body as never))]) {
      has(error, { code: 'ERR_ABORTED', cause })
    }
    await time.until(() => seen.contexts.filter((context) => context.signal.aborted).length === 4)
    const other = seen.contexts.pop() as CallContext
    assert.equal(other.signal.aborted, false)
    await seen.aborted(time, 4, { rpcCode: RpcCode.CANCELLED })
    await time.until(() => seen.left.length === 3)
    assert.deepEqual(seen.left.sort(), ['body', 'input', 'items'])
    assert.deepEqual(getEventListeners(signal, 'abort'), [])
    await b.stop()
    await stranger
  })

  test('does not abort the signal of a call that went well', async ({ a, b, time, seen }) => {
    const quick = {
      one: unary((_input: null, context: CallContext) => {
        seen.contexts.push(context)
        // A signal is often made for those alone who look at it.
        return context.signal.aborted
      }),
      two: server<null, number>(function* (_input, context) {
        seen.contexts.push(context)
        yield context.signal.aborted ? 1 : 0
      })
    }
    b.registry.register(quick)
    const { signal } = new AbortController()
    const remote = a.registry.client(a.connection, quick)
    assert.equal(await remote.one(null, { signal }), false)
    assert.deepEqual(await collect(remote.two(null, { signal })), [0])
    await time.sleep(BRIEF_MS)
    for (const context of seen.contexts) assert.equal(context.signal.aborted, false)
    assert.deepEqual(getEventListeners(signal, 'abort'), [])
  })

  test('tells the handler of an iterator that is left, and of a body that is cancelled', async (world) => {
    const { a, b, seen, time } = world
    const idle = idleMethods(seen)
    b.registry.register(idle)
    const remote = a.registry.client(a.connection, idle)
    for await (const item of remote.drip(null)) {
      assert.equal(item, 1)
      break
    }
    const { body } = await remote.bytes(null, [])
    const reader = body.getReader()
    await reader.read()
    await reader.cancel()
    await seen.aborted(time, 2, { rpcCode: RpcCode.CANCELLED })
    await time.until(() => seen.left.length === 2)
    assert.deepEqual(seen.left.sort(), ['body', 'items'])
  })

  test('ends what waits for an iterator that is left', async ({ a, b, seen }) => {
    const idle = idleMethods(seen)
    b.registry.register(idle)
    const items = a.registry.client(a.connection, idle).drip(null)
    await items.next()
    const waiting = items.next()
    await items.return?.()
    assert.equal((await waiting).done, true)
    assert.equal((await items.next()).done, true)
  })

  test('gives up at the deadline of the caller, a number or a timer, at both ends', async ({ a, b, seen, time }) => {
    const idle = idleMethods(seen)
    b.registry.register(idle)
    const remote = a.registry.client(a.connection, idle)
    const items = remote.drip(null, { timer: BRIEF_MS })
    await items.next()
    const errors = await Promise.all([
      failure(remote.hang(null, { timer: BRIEF_MS })),
      failure(remote.hang(null, { timer: { getTimeout: () => BRIEF_MS } })),
      failure(remote.swallow(seen.stuck('input', 1), { timer: BRIEF_MS })),
      failure(items.next()),
      failure(remote.bytes(null, [], { timer: BRIEF_MS }).then(({ body }) => collect(body as never)))
    ])
    for (const error of errors) has(error, { code: 'ERR_RPC_TIMEOUT', rpcCode: RpcCode.TIMEOUT })
    await seen.aborted(time, 5, { rpcCode: RpcCode.TIMEOUT })
    for (const { timer } of seen.contexts) assert.ok(timer.timeoutMs <= BRIEF_MS)
  })

  test('gives up at the deadline of the method, the shorter of both', async ({ a, b, seen, time }) => {
    const brief = { brief: unary(seen.hang, { timeoutMs: BRIEF_MS }), long: unary(seen.hang, { timeoutMs: LONG_MS }) }
    b.registry.register(brief)
    const remote = a.registry.client(a.connection, brief)
    const calls = [remote.brief(null, { timer: LONG_MS }), remote.long(null, { timer: BRIEF_MS })]
    for (const error of await Promise.all(calls.map(failure))) {
      has(error, { code: 'ERR_RPC_TIMEOUT', rpcCode: RpcCode.TIMEOUT })
    }
    await seen.aborted(time, 2, { rpcCode: RpcCode.TIMEOUT })
    for (const { timer } of seen.contexts) assert.ok(timer.timeoutMs <= BRIEF_MS)
  })

  test('refuses a timer that tells no time with ERR_INVALID_INPUT', async ({ a, b }) => {
    b.registry.register(methods)
    const remote = a.registry.client(a.connection, methods)
    for (const timer of [NaN, { getTimeout: () => 'soon' as never }, 'soon' as never]) {
      has(await failure(remote.square({ value: 1 }, { timer })), { code: 'ERR_INVALID_INPUT' })
    }
  })

  test('gives up a search for a connection that takes too long, and ends it', async ({ a, time }) => {
    const signals: AbortSignal[] = []
    const remote = a.registry.client(({ signal }) => {
      if (signal !== undefined) signals.push(signal)
      return new Promise(() => undefined)
    }, methods)
    const controller = new AbortController()
    const late = failure(remote.square({ value: 1 }, { timer: BRIEF_MS }))
    const cancelled = failure(remote.square({ value: 1 }, { signal: controller.signal }))
    await time.sleep(1)
    controller.abort()
    has(await cancelled, { code: 'ERR_ABORTED' })
    has(await late, { code: 'ERR_RPC_TIMEOUT' })
    assert.deepEqual(
      signals.map(({ aborted }) => aborted),
      [true, true]
    )
  })

  test('ends calls on a connection that closes, at both ends', async ({ a, b, seen, time }) => {
    const idle = idleMethods(seen)
    b.registry.register(idle)
    const remote = a.registry.client(a.connection, idle)
    const items = remote.drip(null)
    await items.next()
    const { body } = await remote.bytes(null, [])
    const calls = [
      failure(remote.hang(null)),
      failure(items.next()),
      failure(remote.swallow(seen.stuck('input', 1))),
      failure(collect(body as never))
    ]
    await time.until(() => seen.contexts.length === 4)
    b.connection.close(CloseCode.IDLE, 'enough')
    for (const call of calls) has(await call, { code: 'ERR_CONNECTION_CLOSED' })
    await seen.aborted(time, 4, { code: 'ERR_CONNECTION_CLOSED' })
    await time.until(() => seen.left.length === 3)
    has(await failure(remote.hang(null)), { code: 'ERR_CONNECTION_CLOSED' })
    has(await failure(remote.drip(null).next()), { code: 'ERR_CONNECTION_CLOSED' })
  })

  test('ends the calls that others make to a node that stops, with a typed error', async ({ a, b, seen, time }) => {
    const idle = idleMethods(seen)
    b.registry.register(idle)
    const remote = a.registry.client(a.connection, idle)
    const calls = [failure(remote.hang(null)), failure(remote.swallow(seen.stuck('input', 1)))]
    await time.until(() => seen.contexts.length === 2)
    await b.stop()
    for (const call of calls) {
      const error = await call
      assert.ok(error instanceof PeerloomError)
      // Whether the answer gets through before the connection goes is the transport's affair.
      assert.ok(['ERR_RPC', 'ERR_CONNECTION_CLOSED', 'ERR_STREAM_RESET'].includes(error.code), error.code)
    }
    for (const { signal } of seen.contexts) assert.equal(signal.aborted, true)
  })

  test('ends the calls that a node makes when it stops, and makes none after', async ({ a, b, seen, time }) => {
    const idle = idleMethods(seen)
    b.registry.register(idle)
    const remote = a.registry.client(a.connection, idle)
    const call = failure(remote.hang(null))
    const items = remote.drip(null)
    await items.next()
    const last = failure(items.next())
    await time.until(() => seen.contexts.length === 2)
    await a.stop()
    for (const error of [await call, await last]) has(error, { code: 'ERR_ABORTED' })
    has(await failure(remote.hang(null)), { code: 'ERR_ABORTED' })
    has(await failure(remote.drip(null).next()), { code: 'ERR_ABORTED' })
    await time.until(() => seen.contexts.every(({ signal }) => signal.aborted))
  })
}
