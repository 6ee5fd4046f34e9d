import assert from 'node:assert/strict'
import { client, raw, server } from '../../kernel/index.js'
import { methods } from './rpc-calls.js'
import type { RpcTest } from './rpc-registry.js'

const ITEM_BYTES = 64 * 1024
/** More than any transport has on the way for a reader that does not read. */
const MAX_UNREAD_ITEMS = 128
/** What a source gives before the suite stops waiting for it to be left alone. */
const TOO_MANY_ITEMS = 2 * MAX_UNREAD_ITEMS
/** Small calls during which a source could give all of that. */
const CALLS = 150

/** A source that counts what is taken from it. */
class Flood {
  taken = 0

  async *of<T>(item: T): AsyncGenerator<T> {
    while (this.taken < TOO_MANY_ITEMS) {
      this.taken++
      yield item
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}

/** Backpressure: nobody sends on to a reader that does not read. */
export function rpcFlowTests(test: RpcTest): void {
  const text = 'x'.repeat(ITEM_BYTES)
  const bytes = new Uint8Array(ITEM_BYTES)

  test('takes no more of a handler’s messages than its caller reads, and holds up no other call', async ({ a, b }) => {
    const flood = new Flood()
    const pouring = { pour: server<null, string>(() => flood.of(text)), square: methods.square }
    b.registry.register(pouring)
    const remote = a.registry.client(a.connection, pouring)
    const items = remote.pour(null)
    await items.next()
    for (let value = 0; value < CALLS; value++) assert.deepEqual(await remote.square({ value }), { value: value ** 2 })
    assert.ok(flood.taken < MAX_UNREAD_ITEMS, `${flood.taken} items were taken`)
    const before = flood.taken
    while (flood.taken === before) assert.equal((await items.next()).value, text)
    await items.return?.()
  })

  test('takes no more of a caller’s messages than the handler reads', async ({ a, b }) => {
    const flood = new Flood()
    let end: (() => void) | undefined
    const deaf = {
      deaf: client<string, null>(() => new Promise((resolve) => (end = () => resolve(null)))),
      square: methods.square
    }
    b.registry.register(deaf)
    const remote = a.registry.client(a.connection, deaf)
    const call = remote.deaf(flood.of(text))
    for (let value = 0; value < CALLS; value++) await remote.square({ value })
    assert.ok(flood.taken > 0 && flood.taken < MAX_UNREAD_ITEMS, `${flood.taken} items were taken`)
    end?.()
    assert.equal(await call, null)
  })

  test('takes no more of a body than is read of it, in both directions', async ({ a, b }) => {
    const [there, back] = [new Flood(), new Flood()]
    const pouring = { pour: raw<null, null>(() => ({ result: null, body: back.of(bytes) })), square: methods.square }
    b.registry.register(pouring)
    const remote = a.registry.client(a.connection, pouring)
    const { body } = await remote.pour(null, there.of(bytes))
    const reader = body.getReader()
    await reader.read()
    for (let value = 0; value < CALLS; value++) await remote.square({ value })
    for (const { taken } of [there, back]) {
      assert.ok(taken > 0 && taken < MAX_UNREAD_ITEMS, `${taken} chunks were taken`)
    }
    await reader.cancel()
  })
}
