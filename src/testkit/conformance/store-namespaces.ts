import assert from 'node:assert/strict'
import type { Store } from '../../kernel/index.js'
import { failsWith } from './fails-with.js'
import { keysOf, listOf, valueOf, type StoreSuite } from './store.js'
import { badKeys, MAX_KEY_BYTES } from './store-values.js'

/** Names that lie close together in any encoding, as paths from the root. */
const paths: readonly (readonly string[])[] = [
  [],
  ['a'],
  ['a', 'a'],
  ['a', 'b'],
  ['a', 'b', 'c'],
  ['aa'],
  ['ab'],
  ['a\0'],
  ['a!'],
  ['a!', 'b'],
  ['!a!'],
  ['a:b'],
  ['a.b'],
  ['A'],
  ['\u{10000}'],
  ['\uffff']
]
const keys = ['k', 'a', 'a/k', 'a!k', '!a!k', 'a\0k', 'b/k', '/', '/k', '\0', 'a/b/c/k', '\uffff']

const at = (root: Store, path: readonly string[]): Store => path.reduce((store, name) => store.namespace(name), root)

/** Namespaces: apart, nested, and the same by the same name. */
export function storeNamespaceTests({ storeTest }: StoreSuite): void {
  storeTest('keeps namespaces apart from each other and from keys that look like theirs', async (root) => {
    for (const [i, path] of paths.entries()) {
      for (const [j, key] of keys.entries()) await at(root, path).put(key, Uint8Array.of(i, j))
    }
    for (const [i, path] of paths.entries()) {
      const store = at(root, path)
      for (const [j, key] of keys.entries()) {
        assert.deepEqual(await valueOf(store, key), [i, j], JSON.stringify([path, key]))
      }
      assert.equal((await listOf(store)).length, keys.length, JSON.stringify(path))
      assert.deepEqual(await keysOf(store, { from: 'a', to: 'b' }), ['a', 'a\0k', 'a!k', 'a/b/c/k', 'a/k'])
    }
    await at(root, ['a', 'b']).delete('k')
    for (const key of keys) await at(root, ['a']).delete(key)
    for (const path of paths.filter((one) => one.join('/') !== 'a')) {
      const expected = path.join('/') === 'a/b' ? keys.length - 1 : keys.length
      assert.equal((await listOf(at(root, path))).length, expected, JSON.stringify(path))
    }
  })

  storeTest('gives the same store by the same name', async (root) => {
    await root.namespace('a').namespace('b').put('k', Uint8Array.of(1))
    const b = root.namespace('a').namespace('b')
    assert.deepEqual(await listOf(b), [['k', [1]]])
    await b.batch([{ type: 'delete', key: 'k' }])
    assert.deepEqual(await listOf(root.namespace('a').namespace('b')), [])
  })

  storeTest('takes keys as long in a namespace as outside, and names as long as keys', async (root) => {
    const name = '\u{1f600}'.repeat(MAX_KEY_BYTES / 4)
    const store = at(root, [name, name, name])
    const key = 'x'.repeat(MAX_KEY_BYTES)
    await store.put(key, Uint8Array.of(1))
    assert.deepEqual(await listOf(store), [[key, [1]]])
    await assert.rejects(() => store.put(`${key}x`, Uint8Array.of(1)), failsWith('ERR_INVALID_INPUT'))
  })

  storeTest('refuses a bad name of a namespace, and a bad limit, with ERR_INVALID_INPUT', async (root) => {
    for (const store of [root, root.namespace('a')]) {
      for (const name of [...badKeys, '/', 'a/b', 'a/', '/a'] as string[]) {
        assert.throws(() => store.namespace(name), failsWith('ERR_INVALID_INPUT'))
      }
    }
    for (const maxBytes of [-1, 0.5, NaN, '1', null] as number[]) {
      assert.throws(() => root.namespace('a', { maxBytes }), failsWith('ERR_INVALID_INPUT'))
    }
    await Promise.resolve()
  })

  storeTest('keeps a namespace to its limit, those inside it included, and no other', async (root) => {
    const small = root.namespace('small', { maxBytes: 2_000 })
    await small.put('a', new Uint8Array(1_000))
    await small.namespace('inside').put('b', new Uint8Array(500))
    for (const store of [small, small.namespace('inside')]) {
      await assert.rejects(() => store.put('c', new Uint8Array(500)), failsWith('ERR_STORE'))
    }
    await assert.rejects(() => small.put('a', new Uint8Array(2_000)), failsWith('ERR_STORE'))
    assert.equal((await small.get('a'))?.length, 1_000)
    assert.deepEqual(await keysOf(small), ['a'])
    await root.namespace('other').put('c', new Uint8Array(5_000))
    await small.delete('a')
    await small.put('c', new Uint8Array(500))
    assert.deepEqual(await keysOf(small), ['c'])
  })
}
