import assert from 'node:assert/strict'
import type { StoreChange } from '../../kernel/index.js'
import { failsWith } from './fails-with.js'
import { listOf, put, valueOf, type StoreSuite } from './store.js'

/** Longest key in UTF-8 bytes. */
export const MAX_KEY_BYTES = 512
const LARGE_VALUE_BYTES = 1024 * 1024
/** One less is no multiple of 3. */
const MANY = 201

/** No key, and no name of a namespace either. */
export const badKeys: readonly unknown[] = [
  '',
  'x'.repeat(MAX_KEY_BYTES + 1),
  'é'.repeat(MAX_KEY_BYTES / 2) + 'x',
  '\u{1f600}'.repeat(MAX_KEY_BYTES / 4) + 'x',
  '\ud800',
  'a\udc00b',
  7,
  null,
  undefined,
  Buffer.from('key')
]
const badValues: readonly unknown[] = ['text', [1], 7, null, undefined, {}, new Uint16Array(1), new ArrayBuffer(1)]
const badChanges: readonly unknown[] = [
  ...badKeys.map((key) => ({ type: 'put', key, value: Uint8Array.of(1) })),
  ...badKeys.map((key) => ({ type: 'delete', key })),
  ...badValues.map((value) => ({ type: 'put', key: 'k', value })),
  { type: 'merge', key: 'k', value: Uint8Array.of(1) },
  { key: 'k', value: Uint8Array.of(1) },
  null,
  undefined
]

/** Values by key: get, put, delete and batch. */
export function storeValueTests({ storeTest, smallTest }: StoreSuite): void {
  storeTest('gives what was put, and nothing for a key that is not there', async (store) => {
    assert.equal(await store.get('k'), undefined)
    await store.put('k', Uint8Array.of(1, 2))
    const value = await store.get('k')
    assert.ok(value instanceof Uint8Array)
    assert.deepEqual([...value], [1, 2])
    assert.equal(await store.get('K'), undefined)
    assert.equal(await store.get('k\0'), undefined)
  })

  storeTest('replaces a value, also by a shorter one and by none at all', async (store) => {
    for (const value of [[1, 2, 3], [4], []]) {
      await store.put('k', Uint8Array.from(value))
      assert.deepEqual(await valueOf(store, 'k'), value)
      assert.deepEqual(await listOf(store), [['k', value]])
    }
  })

  storeTest('deletes a key, and does nothing if there is none', async (store) => {
    await store.put('k', Uint8Array.of(1))
    await store.put('kept', Uint8Array.of(2))
    await store.delete('k')
    await store.delete('k')
    await store.delete('never there')
    assert.equal(await store.get('k'), undefined)
    assert.deepEqual(await listOf(store), [['kept', [2]]])
  })

  storeTest('takes every key of one to 512 bytes', async (store) => {
    const keys = ['x'.repeat(MAX_KEY_BYTES), 'é'.repeat(MAX_KEY_BYTES / 2), '\u{1f600}'.repeat(MAX_KEY_BYTES / 4)]
    keys.push('\0', '\n', ' ', '/', '\uffff', 'é', 'e\u0301', '__proto__', 'constructor')
    for (const [i, key] of keys.entries()) await store.put(key, Uint8Array.of(i))
    for (const [i, key] of keys.entries()) assert.deepEqual(await valueOf(store, key), [i], JSON.stringify(key))
    assert.equal((await listOf(store)).length, keys.length)
  })

  storeTest('carries large values unchanged', async (store) => {
    const large = Uint8Array.from({ length: LARGE_VALUE_BYTES }, (_, i) => (i * 31 + (i >> 8)) & 0xff)
    await store.put('large', large)
    assert.ok(Buffer.from((await store.get('large')) ?? []).equals(large))
  })

  storeTest('copies what is handed in before the call returns', async (store) => {
    const whole = Uint8Array.of(9, 1, 2, 9)
    const values = [Uint8Array.of(1, 2), Buffer.of(1, 2), whole.subarray(1, 3)]
    for (const value of values) {
      const done = store.put('k', value)
      value.fill(7)
      await done
      assert.deepEqual(await valueOf(store, 'k'), [1, 2])
    }
    const value = Uint8Array.of(3)
    const change = { type: 'put' as const, key: 'b', value }
    const changes: StoreChange[] = [change]
    const done = store.batch(changes)
    value.fill(7)
    change.key = 'other'
    changes.push(put('more', 1))
    await done
    assert.deepEqual(await listOf(store), [
      ['b', [3]],
      ['k', [1, 2]]
    ])
  })

  storeTest('hands out values that are the caller’s own', async (store) => {
    await store.put('k', Buffer.of(1, 2))
    const got = await store.get('k')
    got?.fill(7)
    for await (const [, listed] of store.entries()) listed.fill(7)
    assert.deepEqual(await valueOf(store, 'k'), [1, 2])
    assert.deepEqual(await listOf(store), [['k', [1, 2]]])
  })

  storeTest('applies the changes of a batch one after the other', async (store) => {
    await store.batch([])
    await store.put('old', Uint8Array.of(1))
    await store.batch([
      { type: 'delete', key: 'old' },
      put('a', 1),
      put('a', 2),
      put('gone', 1),
      { type: 'delete', key: 'gone' },
      { type: 'delete', key: 'back' },
      put('back', 3),
      { type: 'delete', key: 'never there' }
    ])
    assert.deepEqual(await listOf(store), [
      ['a', [2]],
      ['back', [3]]
    ])
  })

  storeTest('applies nothing of a batch with a bad change, wherever it stands', async (store) => {
    await store.put('kept', Uint8Array.of(1))
    for (const bad of badChanges) {
      const good: StoreChange[] = [put('new', 2), { type: 'delete', key: 'kept' }]
      for (const changes of [
        [bad, ...good],
        [...good, bad]
      ]) {
        await assert.rejects(() => store.batch(changes as StoreChange[]), failsWith('ERR_INVALID_INPUT'))
      }
      assert.deepEqual(await listOf(store), [['kept', [1]]])
    }
  })

  storeTest('refuses a bad key with ERR_INVALID_INPUT', async (store) => {
    for (const key of badKeys as string[]) {
      await assert.rejects(() => store.get(key), failsWith('ERR_INVALID_INPUT'))
      await assert.rejects(() => store.put(key, Uint8Array.of(1)), failsWith('ERR_INVALID_INPUT'))
      await assert.rejects(() => store.delete(key), failsWith('ERR_INVALID_INPUT'))
    }
    assert.deepEqual(await listOf(store), [])
  })

  storeTest('refuses a bad value with ERR_INVALID_INPUT', async (store) => {
    await store.put('k', Uint8Array.of(1))
    for (const value of badValues as Uint8Array[]) {
      await assert.rejects(() => store.put('k', value), failsWith('ERR_INVALID_INPUT'))
    }
    assert.deepEqual(await listOf(store), [['k', [1]]])
  })

  storeTest('makes changes in the order in which they were asked for', async (store) => {
    const changes: Promise<unknown>[] = []
    await store.put('k', Uint8Array.of(0))
    for (let i = 1; i < MANY; i++) {
      const before = store.get('k')
      changes.push(store.put('k', Uint8Array.of(i)))
      changes.push(store.batch([put('b', i), put(`b${i}`, i)]))
      if (i % 3 === 0) changes.push(store.delete('b'), store.put('c', Uint8Array.of(i)), store.delete('c'))
      changes.push(before.then((value) => assert.equal(value?.length, 1)))
    }
    await Promise.all(changes)
    assert.deepEqual(await valueOf(store, 'k'), [MANY - 1])
    assert.deepEqual(await valueOf(store, 'b'), [MANY - 1])
    assert.equal(await store.get('c'), undefined)
    assert.equal((await listOf(store)).length, MANY + 1)
  })

  smallTest(
    'is full at some point with ERR_STORE, keeps what it has, and has room again after a deletion',
    async (store) => {
      const value = new Uint8Array(1024)
      let count = 0
      const fill = async (): Promise<void> => {
        for (; count < 128; count++) await store.put(`k${count}`, value)
      }
      await assert.rejects(fill, failsWith('ERR_STORE'))
      assert.equal((await listOf(store)).length, count)
      const changes: StoreChange[] = Array.from({ length: 64 }, (_, i) => ({ type: 'put', key: `b${i}`, value }))
      await assert.rejects(store.batch([{ type: 'delete', key: 'k0' }, ...changes]), failsWith('ERR_STORE'))
      await assert.rejects(store.namespace('other').batch(changes), failsWith('ERR_STORE'))
      assert.equal((await listOf(store)).length, count)
      for (let i = 0; i < count; i++) await store.delete(`k${i}`)
      await store.put('k', value)
      assert.deepEqual(
        (await listOf(store)).map(([key]) => key),
        ['k']
      )
    }
  )
}
