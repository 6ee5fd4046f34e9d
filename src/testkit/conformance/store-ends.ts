import assert from 'node:assert/strict'
import { failsWith } from './fails-with.js'
import { keysOf, listOf, put, valueOf, type StoreSuite } from './store.js'

const MANY = 100

/** Stopping, and what is there when a store is opened again. */
export function storeEndTests({ storeTest, reopenTest }: StoreSuite): void {
  storeTest('rejects with ERR_STORE once its plugin has stopped', async (store, stop) => {
    const inside = store.namespace('a')
    await store.put('k', Uint8Array.of(1))
    await inside.put('k', Uint8Array.of(1))
    await stop()
    for (const each of [store, inside, store.namespace('later')]) {
      await assert.rejects(() => each.get('k'), failsWith('ERR_STORE'))
      await assert.rejects(() => each.put('k', Uint8Array.of(2)), failsWith('ERR_STORE'))
      await assert.rejects(() => each.delete('k'), failsWith('ERR_STORE'))
      await assert.rejects(() => each.batch([put('k', 2)]), failsWith('ERR_STORE'))
      await assert.rejects(() => keysOf(each), failsWith('ERR_STORE'))
    }
  })

  storeTest('settles whatever is under way when its plugin stops', async (store, stop) => {
    const changes = Array.from({ length: MANY }, (_, i) => store.put(`k${i}`, Uint8Array.of(i)))
    const outcomes = Promise.allSettled([...changes, store.get('k0'), keysOf(store), store.batch([put('b', 1)])])
    await stop()
    for (const outcome of await outcomes) if (outcome.status === 'rejected') failsWith('ERR_STORE')(outcome.reason)
  })

  storeTest('can be stopped while somebody reads its entries, who is told with ERR_STORE', async (store, stop) => {
    await store.batch(Array.from({ length: MANY }, (_, i) => put(`k${i}`, i)))
    const [reader, forgotten] = [store.entries(), store.entries()].map((one) => one[Symbol.asyncIterator]())
    await forgotten?.next()
    await reader?.next()
    await stop()
    const readOn = async (): Promise<void> => {
      while ((await reader?.next())?.done === false);
    }
    await assert.rejects(readOn, failsWith('ERR_STORE'))
  })

  reopenTest('has what it acknowledged after it was stopped and opened again', async ({ store, again }) => {
    await store().put('a', Uint8Array.of(1))
    await store().put('empty', new Uint8Array(0))
    await store().batch([put('b', 2), put('gone', 3), put('\u{1f600}', 4)])
    await store().delete('gone')
    await store().namespace('a').namespace('b').put('k', Uint8Array.of(5))
    await store().namespace('c').put('a', Uint8Array.of(6))
    for (let round = 1; round <= 3; round++) {
      const now = await again()
      assert.deepEqual(await listOf(now), [
        ['a', [round]],
        ['b', [2]],
        ['empty', []],
        ['\u{1f600}', [4]]
      ])
      assert.deepEqual(await listOf(now.namespace('a').namespace('b')), [['k', [5]]])
      assert.deepEqual(await listOf(now.namespace('c')), [['a', [6]]])
      await now.put('a', Uint8Array.of(round + 1))
    }
  })

  reopenTest('has all of a batch or nothing, if it was stopped meanwhile', async ({ store, stop, again }) => {
    const changes = Array.from({ length: MANY }, (_, i) => put(`k${i}`, i))
    const done = store()
      .batch(changes)
      .then(
        () => true,
        () => false
      )
    await stop()
    const acknowledged = await done
    const count = (await keysOf(await again())).length
    assert.ok(acknowledged ? count === MANY : count === 0 || count === MANY, `${count} of ${MANY} changes are there`)
  })

  reopenTest('knows nothing of the store that it was before it was opened again', async ({ store, again }) => {
    const before = store()
    const now = await again()
    await assert.rejects(() => before.put('k', Uint8Array.of(1)), failsWith('ERR_STORE'))
    assert.equal(await valueOf(now, 'k'), undefined)
  })
}
