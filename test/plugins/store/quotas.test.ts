import { expect } from 'chai'
import fc from 'fast-check'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createKernel, Store, type StoreChange } from '#src/kernel/index.js'
import { memoryStore, type MemoryStoreOptions } from '#src/plugins/store/index.js'
import { errorOf, openLevel, useDirectory, type Opened } from './support.js'

const PLACES = [[], ['a'], ['a', 'b'], ['a', 'c'], ['d']]

type Open = (directory: string, options: MemoryStoreOptions) => Promise<Opened>

const openMemory: Open = async (_, options) => {
  const kernel = createKernel({ plugins: [memoryStore.with(options)] })
  await kernel.start()
  return { kernel, store: kernel.resolve(Store), [Symbol.asyncDispose]: () => kernel.stop() }
}

const openOnDisk: Open = (directory, options) => openLevel({ directory, sync: false, ...options })

const at = (root: Store, path: readonly string[]): Store => path.reduce((store, name) => store.namespace(name), root)

/** Deletes everything, and checks that there is exactly as much room as in a new store. */
async function expectRoomOnceEmpty(root: Store): Promise<void> {
  for (const store of PLACES.map((path) => at(root, path))) {
    for await (const [key] of store.entries()) await store.delete(key)
  }
  expect(await errorOf(root.put('k', new Uint8Array(900)))).to.include({ code: 'ERR_STORE' })
  await root.put('k', new Uint8Array(899))
  await root.delete('k')
  expect(await errorOf(at(root, ['a', 'b']).put('k', new Uint8Array(596)))).to.include({ code: 'ERR_STORE' })
  await at(root, ['a', 'b']).put('k', new Uint8Array(595))
}

for (const [kind, open] of Object.entries({ 'memory store': openMemory, 'level store': openOnDisk })) {
  describe(`quotas of the ${kind}`, () => {
    const directory = useDirectory()

    it('keep one namespace from filling the whole, nested ones included', async () => {
      await using opened = await open(directory.path, { maxBytes: 4_000 })
      const { store } = opened
      const greedy = store.namespace('greedy')
      let error: Error | undefined
      for (let i = 0; error === undefined && i < 100; i++) {
        error = await errorOf(greedy.namespace(`n${i % 3}`).put(`k${i}`, new Uint8Array(100)))
      }
      expect(error).to.include({ code: 'ERR_STORE' })
      expect(error?.message).to.match(/namespace greedy of the store is full \(3000 bytes\)/)
      await store.namespace('modest').put('k', new Uint8Array(800))
      const full = await errorOf(store.namespace('late').put('k', new Uint8Array(800)))
      expect(full?.message).to.match(/the store is full \(4000 bytes\)/)
      // What makes it smaller is always taken.
      await greedy.namespace('n0').put('k0', new Uint8Array(0))
      await greedy.namespace('n0').delete('k0')
    })

    it('hold for a handle with a limit and for whatever is inside it', async () => {
      await using opened = await open(directory.path, { maxBytes: 100_000, maxNamespaceBytes: 50_000 })
      const limited = opened.store.namespace('a', { maxBytes: 500 })
      await limited.put('k', new Uint8Array(200))
      expect((await errorOf(limited.namespace('b').put('k', new Uint8Array(200))))?.message).to.include('namespace a ')
      await opened.store.namespace('a').put('free', new Uint8Array(1_000))
      expect(await errorOf(limited.put('k', new Uint8Array(201)))).to.include({ code: 'ERR_STORE' })
      await limited.put('k', new Uint8Array(100))
      for (const maxBytes of [-1, 1.5, NaN, '7'] as number[]) {
        expect(() => opened.store.namespace('a', { maxBytes }))
          .to.throw()
          .with.property('code', 'ERR_INVALID_INPUT')
      }
    })

    it('are not overshot by writes at the same time', async () => {
      await using opened = await open(directory.path, { maxBytes: 10_000, maxNamespaceBytes: 10_000 })
      const results = await Promise.all(
        Array.from({ length: 100 }, (_, i) =>
          errorOf(opened.store.namespace(`n${i % 7}`).put(`k${i}`, new Uint8Array(400)))
        )
      )
      expect(results.filter((error) => error === undefined).length).to.be.within(18, 19)
    })

    it('count rightly, whatever is written where, at the same time and before a restart', async () => {
      const change: fc.Arbitrary<StoreChange> = fc.oneof(
        fc.record({
          type: fc.constant('put' as const),
          key: fc.constantFrom('k', 'l', '/', 'm//'),
          value: fc.uint8Array({ maxLength: 50 })
        }),
        fc.record({ type: fc.constant('delete' as const), key: fc.constantFrom('k', 'l', '/') })
      )
      const step = fc.tuple(fc.constantFrom(...PLACES), fc.array(change, { maxLength: 4 }))
      await fc.assert(
        fc.asyncProperty(fc.array(fc.array(step, { maxLength: 5 }), { maxLength: 8 }), async (rounds) => {
          const options = { maxBytes: 1_000, maxNamespaceBytes: 700 }
          const path = mkdtempSync(join(directory.path, 'run-'))
          {
            await using opened = await open(path, options)
            for (const round of rounds) {
              await Promise.all(round.map(([place, batch]) => errorOf(at(opened.store, place).batch(batch))))
            }
            if (open === openMemory) {
              await expectRoomOnceEmpty(opened.store)
              return
            }
          }
          await using opened = await open(path, options)
          await expectRoomOnceEmpty(opened.store)
          rmSync(path, { recursive: true })
        }),
        { numRuns: open === openMemory ? 100 : 20 }
      )
    }).timeout(30_000)
  })
}
