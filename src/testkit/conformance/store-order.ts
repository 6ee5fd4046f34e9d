import assert from 'node:assert/strict'
import type { Store, StoreRange } from '../../kernel/index.js'
import { failsWith } from './fails-with.js'
import { compareKeys, keysOf, put, type StoreSuite } from './store.js'

const MANY_ENTRIES = 5_000
const BATCH = 500
const ITERATORS = 50

/** In the order of their UTF-8 bytes. That of UTF-16 units would put the last two before U+E000. */
const ordered = ['\0', '\0\0', '/', 'A', 'a', 'a\0', 'aa', 'b', '\x7f', '\x80', 'é', '\u07ff', '\u0800', '\ud7ff']
ordered.push('\ue000', '\uffff', '\u{10000}', '\u{10ffff}')

/** A key that sorts as its number does. */
const numbered = (i: number): string => `n${String(i).padStart(6, '0')}`

async function fill(store: Store, count: number): Promise<void> {
  for (let from = 0; from < count; from += BATCH) {
    const length = Math.min(BATCH, count - from)
    await store.batch(Array.from({ length }, (_, i) => put(numbered(from + i), (from + i) & 0xff)))
  }
}

/** Entries: order, ranges, and iterators that are disturbed or left. */
export function storeOrderTests({ storeTest }: StoreSuite): void {
  storeTest('orders keys by their UTF-8 bytes, whatever order they came in', async (store) => {
    assert.deepEqual([...ordered].sort(compareKeys), ordered)
    for (let i = 0; i < ordered.length; i++) {
      // 7 and 18 have no common factor, so every key has its turn.
      await store.put(ordered[(i * 7) % ordered.length] as string, Uint8Array.of(i))
    }
    assert.deepEqual(await keysOf(store), ordered)
  })

  storeTest('gives the keys from `from` on and before `to`', async (store) => {
    for (const key of ordered) await store.put(key, Uint8Array.of(1))
    const bounds = [undefined, '', ...ordered, 'ab', '\ue000x', '\u{10ffff}\0']
    for (const from of bounds) {
      for (const to of bounds) {
        const range: StoreRange = { ...(from !== undefined && { from }), ...(to !== undefined && { to }) }
        const expected = ordered.filter(
          (key) => (from === undefined || compareKeys(key, from) >= 0) && (to === undefined || compareKeys(key, to) < 0)
        )
        assert.deepEqual(await keysOf(store, range), expected, JSON.stringify(range))
      }
    }
  })

  storeTest('gives no more than `limit` entries, the first ones', async (store) => {
    await fill(store, 10)
    const all = await keysOf(store)
    for (const limit of [0, 1, 9, 10, 11, Number.MAX_SAFE_INTEGER]) {
      assert.deepEqual(await keysOf(store, { limit }), all.slice(0, limit))
    }
    assert.deepEqual(await keysOf(store, { from: numbered(4), to: numbered(8), limit: 2 }), all.slice(4, 6))
  })

  storeTest('refuses a bad range with ERR_INVALID_INPUT', async (store) => {
    await store.put('k', Uint8Array.of(1))
    const bad: unknown[] = [{ limit: -1 }, { limit: 1.5 }, { limit: NaN }, { limit: '1' }, { from: 7 }, { to: null }]
    for (const range of bad) {
      await assert.rejects(() => keysOf(store, range as StoreRange), failsWith('ERR_INVALID_INPUT'))
    }
  })

  storeTest('gives many entries, each once and in order', async (store) => {
    await fill(store, MANY_ENTRIES)
    let count = 0
    for await (const [key, value] of store.entries()) {
      assert.equal(key, numbered(count))
      assert.deepEqual([...value], [count & 0xff])
      count++
    }
    assert.equal(count, MANY_ENTRIES)
  })

  storeTest('gives each entry that stays exactly once while others come and go', async (store) => {
    await fill(store, 1_000)
    const stays = (key: string): boolean => /^n\d+[02468]$/.test(key)
    const seen: string[] = []
    let at = 0
    for await (const [key, value] of store.entries()) {
      const last = seen.at(-1)
      assert.ok(last === undefined || compareKeys(last, key) < 0, 'an entry comes twice, or out of order')
      seen.push(key)
      if (stays(key)) assert.deepEqual([...value], [Number(key.slice(1)) & 0xff])
      // Before and after the place of the iterator, by turns.
      const other = ((at * 617) % 1_000) | 1
      await store.batch([{ type: 'delete', key: numbered(other) }, put(`${numbered(other)} new`, 1), put(`a${at}`, 1)])
      at++
    }
    const expected = Array.from({ length: 500 }, (_, i) => numbered(2 * i))
    assert.deepEqual(seen.filter(stays), expected)
  })

  storeTest('has iterators that do not disturb each other', async (store) => {
    await fill(store, ITERATORS)
    const expected = await keysOf(store)
    const lists = await Promise.all(Array.from({ length: ITERATORS }, () => keysOf(store)))
    for (const list of lists) assert.deepEqual(list, expected)
  })

  storeTest('can be read and changed on after iterators were left early', async (store) => {
    await fill(store, 100)
    for (let i = 0; i < ITERATORS; i++) {
      for await (const [key] of store.entries()) {
        assert.equal(key, numbered(0))
        break
      }
      const iterator = store.entries()[Symbol.asyncIterator]()
      await iterator.next()
      await iterator.return?.()
      assert.equal((await iterator.next()).done, true)
    }
    await store.delete(numbered(0))
    assert.deepEqual(await keysOf(store, { limit: 1 }), [numbered(1)])
  })
}
