import { expect } from 'chai'
import fc from 'fast-check'
import { createKernel, Store, type StoreChange, type StoreRange } from '#src/kernel/index.js'
import { memoryStore, type MemoryStoreOptions } from '#src/plugins/store/index.js'

async function open(options: MemoryStoreOptions = {}): Promise<Store> {
  const kernel = createKernel({ plugins: [memoryStore.with(options)] })
  await kernel.start()
  return kernel.resolve(Store)
}

async function list(store: Store, range?: StoreRange): Promise<[string, number[]][]> {
  const entries: [string, number[]][] = []
  for await (const [key, value] of store.entries(range)) entries.push([key, [...value]])
  return entries
}

const codeOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => (error as { code?: unknown }).code
  )

const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))

/** Few enough that they meet, with every kind of character whose order in UTF-16 and in UTF-8 could differ. */
const keys = fc.string({
  unit: fc.constantFrom('a', '/', '\0', '\x7f', 'é', '\ud7ff', '\ue000', '\uffff', '\u{10000}', '\u{1f600}'),
  minLength: 1,
  maxLength: 3
})
const values = fc.uint8Array({ maxLength: 8 })
const change: fc.Arbitrary<StoreChange> = fc.oneof(
  fc.record({ type: fc.constant('put' as const), key: keys, value: values }),
  fc.record({ type: fc.constant('delete' as const), key: keys })
)

describe('memory store', () => {
  it('does what a Map does, in the order of UTF-8, whatever is done to it', async () => {
    const places = fc.constantFrom<string[]>([], ['a'], ['a', 'a'], ['b'], ['a\0'])
    const range = fc.record({ from: keys, to: keys, limit: fc.nat(5) }, { requiredKeys: [] })
    const steps = fc.array(fc.tuple(places, fc.array(change, { maxLength: 5 }), range), { maxLength: 20 })
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const root = await open()
        const models = new Map<string, Map<string, Uint8Array>>()
        for (const [path, changes, { from, to, limit }] of all) {
          const store = path.reduce<Store>((parent, name) => parent.namespace(name), root)
          const model = models.get(path.join('/')) ?? new Map<string, Uint8Array>()
          models.set(path.join('/'), model)
          await store.batch(changes)
          for (const step of changes) {
            if (step.type === 'put') model.set(step.key, step.value)
            else model.delete(step.key)
          }
          const expected = [...model]
            .filter(
              ([key]) => (from === undefined || byBytes(key, from) >= 0) && (to === undefined || byBytes(key, to) < 0)
            )
            .sort(([a], [b]) => byBytes(a, b))
            .slice(0, limit)
          expect(
            await list(store, { ...(from && { from }), ...(to && { to }), ...(limit !== undefined && { limit }) })
          ).to.deep.equal(expected.map(([key, value]) => [key, [...value]]))
          for (const { key } of changes) expect(await store.get(key)).to.deep.equal(model.get(key))
        }
      }),
      { numRuns: 100 }
    )
  })

  it('keeps namespaces apart from each other and from keys that look like theirs', async () => {
    const root = await open()
    const a = root.namespace('a')
    await root.put('a/k', Uint8Array.of(0))
    await a.put('k', Uint8Array.of(1))
    await a.namespace('b').put('k', Uint8Array.of(2))
    await root.namespace('b').put('k', Uint8Array.of(3))
    await a.put('b/k', Uint8Array.of(4))
    expect(await list(root)).to.deep.equal([['a/k', [0]]])
    expect(await list(root.namespace('a'))).to.deep.equal([
      ['b/k', [4]],
      ['k', [1]]
    ])
    expect(await list(root.namespace('a').namespace('b'))).to.deep.equal([['k', [2]]])
    expect(await list(root.namespace('b'))).to.deep.equal([['k', [3]]])
  })

  it('copies values on the way in and out', async () => {
    const store = await open()
    for (const value of [Uint8Array.of(1, 2), Buffer.of(1, 2)]) {
      await store.put('k', value)
      value[0] = 9
      const got = await store.get('k')
      expect(got).to.deep.equal(Uint8Array.of(1, 2))
      got![0] = 9
      for await (const [, listed] of store.entries()) listed[0] = 9
      expect(await list(store)).to.deep.equal([['k', [1, 2]]])
    }
  })

  it('applies all changes of a batch or none', async () => {
    const store = await open({ maxBytes: 500 })
    await store.put('kept', Uint8Array.of(1))
    const good: StoreChange = { type: 'put', key: 'new', value: Uint8Array.of(2) }
    const remove: StoreChange = { type: 'delete', key: 'kept' }
    for (const [bad, code] of [
      [{ type: 'put', key: '', value: Uint8Array.of(1) }, 'ERR_INVALID_INPUT'],
      [{ type: 'put', key: 'k', value: 'text' }, 'ERR_INVALID_INPUT'],
      [{ type: 'put', key: 'k', value: new Uint8Array(500) }, 'ERR_STORE']
    ] as const) {
      expect(await codeOf(store.batch([good, remove, bad as never]))).to.equal(code)
      expect(await list(store)).to.deep.equal([['kept', [1]]])
    }
    await store.batch([])
    await store.batch([good, remove, { ...good, value: Uint8Array.of(3) }])
    expect(await list(store)).to.deep.equal([['new', [3]]])
  })

  it('is full at its limit, all namespaces together, and has room again after a deletion', async () => {
    const store = await open({ maxBytes: 2_000 })
    const other = store.namespace('other')
    await store.put('a', new Uint8Array(1_000))
    expect(await codeOf(other.put('b', new Uint8Array(900)))).to.equal('ERR_STORE')
    await store.put('a', new Uint8Array(900))
    await store.put('a', new Uint8Array(800))
    await other.put('b', new Uint8Array(900))
    expect(await codeOf(store.put('a', new Uint8Array(900)))).to.equal('ERR_STORE')
    await other.delete('b')
    await other.delete('b')
    await store.put('a', new Uint8Array(1_800))
    expect((await store.get('a'))?.length).to.equal(1_800)
  })

  it('counts the room it takes rightly, whatever is done to it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(change, { maxLength: 4 }), { maxLength: 20 }), async (batches) => {
        const store = await open({ maxBytes: 1_000 })
        for (const batch of batches) await codeOf(store.batch(batch))
        for (const [key] of await list(store)) await store.delete(key)
        // Empty again, so that what just fits does fit, and one byte more does not.
        expect(await codeOf(store.put('k', new Uint8Array(900)))).to.equal('ERR_STORE')
        await store.put('k', new Uint8Array(899))
      })
    )
  })

  it('bounds entries without content too', async () => {
    const store = await open({ maxBytes: 10_000 })
    let count = 0
    while ((await codeOf(store.put(`k${count}`, new Uint8Array(0)))) === undefined) count++
    expect(count).to.be.within(1, 100)
  })

  it('can be changed while its entries are read', async () => {
    const store = await open()
    for (const key of ['a', 'b', 'c']) await store.put(key, Uint8Array.of(1))
    const seen: string[] = []
    for await (const [key] of store.entries()) {
      seen.push(key)
      await store.delete('b')
      await store.put('0', Uint8Array.of(2))
    }
    expect(seen).to.deep.equal(['a', 'c'])
    expect((await list(store)).map(([key]) => key)).to.deep.equal(['0', 'a', 'c'])
  })

  it('refuses a bad key with ERR_INVALID_INPUT', async () => {
    const store = await open()
    for (const key of ['', 'x'.repeat(513), 'é'.repeat(257), '\ud800', 'a\udc00', 7, undefined] as string[]) {
      expect(await codeOf(store.get(key))).to.equal('ERR_INVALID_INPUT')
      expect(await codeOf(store.put(key, Uint8Array.of(1)))).to.equal('ERR_INVALID_INPUT')
      expect(await codeOf(store.delete(key))).to.equal('ERR_INVALID_INPUT')
    }
    for (const key of ['x'.repeat(512), 'é'.repeat(256)]) await store.put(key, Uint8Array.of(1))
    expect(await list(store)).to.have.length(2)
  })

  it('refuses a bad name of a namespace, a bad value and a bad range with ERR_INVALID_INPUT', async () => {
    const store = await open()
    for (const name of ['', 'a/b', '/', 'x'.repeat(513), '\ud800', 7] as string[]) {
      expect(() => store.namespace(name))
        .to.throw()
        .with.property('code', 'ERR_INVALID_INPUT')
    }
    for (const value of ['text', [1], undefined, new Uint16Array(1)]) {
      expect(await codeOf(store.put('k', value as never))).to.equal('ERR_INVALID_INPUT')
    }
    for (const range of [{ limit: -1 }, { limit: 1.5 }, { limit: NaN }, { from: 7 }, { to: null }]) {
      expect(await codeOf(list(store, range as never))).to.equal('ERR_INVALID_INPUT')
    }
  })
})
