import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import {
  createKernel,
  PeerloomError,
  Store,
  type Plugin,
  type StoreChange,
  type StoreRange
} from '#src/kernel/index.js'
import { levelStore, memoryStore, type LevelStoreOptions } from '#src/plugins/store/index.js'
import { storeConformance, type StoreUnderTest } from '#src/testkit/index.js'
import { failureOf, testsOf } from './collect.js'

const SMALL_BYTES = 32 * 1024

async function open(plugin: Plugin): Promise<StoreUnderTest> {
  const kernel = createKernel({ plugins: [plugin] })
  await kernel.start()
  return { store: kernel.resolve(Store), stop: () => kernel.stop() }
}

const openMemory = (): Promise<StoreUnderTest> => open(memoryStore)
const openSmall = (): Promise<StoreUnderTest> => open(memoryStore.with({ maxBytes: SMALL_BYTES }))

storeConformance({ name: 'memory-store', create: openMemory, createSmall: openSmall, describe, it })

interface OnDisk extends StoreUnderTest {
  readonly directory: string
}

describe('on a disk', () => {
  let root: string
  before(async () => (root = await mkdtemp(join(tmpdir(), 'peerloom-store-'))))
  after(() => rm(root, { recursive: true, force: true }))

  const openLevel = async (directory: string, options: Partial<LevelStoreOptions> = {}): Promise<OnDisk> => ({
    ...(await open(levelStore.with({ directory, sync: false, ...options }))),
    directory
  })
  const fresh = (): Promise<string> => mkdtemp(join(root, 'store-'))

  storeConformance<OnDisk>({
    name: 'level-store',
    create: async () => openLevel(await fresh()),
    createSmall: async () => openLevel(await fresh(), { maxBytes: SMALL_BYTES }),
    reopen: ({ directory }) => openLevel(directory),
    describe,
    it
  })
})

type Entry = readonly [string, Uint8Array]

/** What a store and all namespaces in it do otherwise. */
type Change = (store: Store, inside: boolean) => Partial<Store>

function altered(store: Store, change: Change, inside = false): Store {
  const methods: Store = {
    get: (key) => store.get(key),
    put: (key, value) => store.put(key, value),
    delete: (key) => store.delete(key),
    batch: (changes) => store.batch(changes),
    entries: (range) => store.entries(range),
    namespace: (name, limits) => altered(store.namespace(name, limits), change, true)
  }
  return { ...methods, ...change(store, inside) }
}

async function entriesOf(store: Store, range?: StoreRange): Promise<Entry[]> {
  const all: Entry[] = []
  for await (const entry of store.entries(range)) all.push(entry)
  return all
}

/** Entries with all of them seen before the first is given. */
const entriesBy = (store: Store, rearrange: (all: Entry[]) => Entry[]) =>
  async function* (range?: StoreRange): AsyncGenerator<Entry> {
    yield* rearrange(await entriesOf(store, range))
  }

const utf16 = (a: Entry, b: Entry): number => (a[0] < b[0] ? -1 : 1)
const swallow = (error: unknown): void => {
  if ((error as PeerloomError).code !== 'ERR_INVALID_INPUT') throw error
}
const later = <T>(work: () => Promise<T>): Promise<T> => new Promise((resolve) => setImmediate(resolve)).then(work)

/** For each test of the suite, a store that it alone may be there to refuse. */
const mutants: Readonly<Record<string, Change>> = {
  'gives what was put, and nothing for a key that is not there': (store) => ({
    get: (key) => store.get(key.toLowerCase())
  }),
  'replaces a value, also by a shorter one and by none at all': (store) => ({
    put: async (key, value) => (value.length === 0 ? store.delete(key) : store.put(key, value))
  }),
  'deletes a key, and does nothing if there is none': (store) => ({
    delete: async (key) => {
      if ((await store.get(key)) === undefined) throw new PeerloomError('ERR_NOT_FOUND', 'no such key')
      await store.delete(key)
    }
  }),
  'takes every key of one to 512 bytes': (store) => ({
    put: (key, value) => store.put(key.normalize(), value),
    get: (key) => store.get(key.normalize())
  }),
  'carries large values unchanged': (store) => ({ put: (key, value) => store.put(key, value.subarray(0, 65_536)) }),
  'copies what is handed in before the call returns': (store) => ({
    put: (key, value) => later(() => store.put(key, value)),
    get: (key) => later(() => store.get(key))
  }),
  'hands out values that are the caller’s own': () => {
    const values = new Map<string, Uint8Array>()
    return {
      put: (key, value) => Promise.resolve(values.set(key, new Uint8Array(value))).then(() => undefined),
      get: (key) => Promise.resolve(values.get(key)),
      entries: async function* () {
        await Promise.resolve()
        yield* values
      }
    }
  },
  'applies the changes of a batch one after the other': (store) => ({
    batch: (changes) => store.batch([...changes].reverse())
  }),
  'applies nothing of a batch with a bad change, wherever it stands': (store) => ({
    batch: async (changes) => {
      for (const change of changes) await store.batch([change])
    }
  }),
  'refuses a bad key with ERR_INVALID_INPUT': (store) => ({ get: (key) => store.get(key).catch(swallow) as never }),
  'refuses a bad value with ERR_INVALID_INPUT': (store) => ({
    put: (key, value) => store.put(key, new Uint8Array(value))
  }),
  'makes changes in the order in which they were asked for': (store) => {
    let calls = 0
    return {
      put: (key, value) => (calls++ % 7 === 6 ? later(() => store.put(key, value.slice())) : store.put(key, value)),
      get: (key) => store.get(key)
    }
  },
  'is full at some point with ERR_STORE, keeps what it has, and has room again after a deletion': () => ({
    put: () => Promise.resolve()
  }),
  'orders keys by their UTF-8 bytes, whatever order they came in': (store) => ({
    entries: entriesBy(store, (all) => all.sort(utf16))
  }),
  'gives the keys from `from` on and before `to`': (store) => ({
    entries: ({ from, to, ...rest } = {}) =>
      store.entries({ ...rest, ...(from && { from }), ...(to && { to: `${to}\0` }) })
  }),
  'gives no more than `limit` entries, the first ones': (store) => ({
    entries: ({ limit, ...rest } = {}) => store.entries({ ...rest, ...(limit && { limit }) })
  }),
  'refuses a bad range with ERR_INVALID_INPUT': (store) => ({
    entries: ({ limit, ...rest } = {}) =>
      store.entries({ ...rest, ...(limit !== undefined && limit >= 0 && { limit: Math.floor(limit) }) })
  }),
  'gives many entries, each once and in order': (store) => ({
    entries: entriesBy(store, (all) => all.slice(0, 1_000))
  }),
  'gives each entry that stays exactly once while others come and go': (store) => ({
    // Counts its way instead of remembering the key.
    async *entries() {
      for (let at = 0; ; at += 100) {
        const page = (await entriesOf(store, { limit: at + 100 })).slice(at)
        if (page.length === 0) return
        yield* page
      }
    }
  }),
  'has iterators that do not disturb each other': (store) => {
    let one: AsyncIterator<Entry> | undefined
    return {
      entries: (range) => ({
        [Symbol.asyncIterator]: () => (one ??= store.entries(range)[Symbol.asyncIterator]())
      })
    }
  },
  'can be read and changed on after iterators were left early': (store) => {
    let open = 0
    return {
      async *entries(range) {
        if (open > 0) throw new PeerloomError('ERR_STORE', 'busy')
        open++
        for await (const entry of store.entries(range)) yield entry
        open--
      }
    }
  },
  'keeps namespaces apart from each other and from keys that look like theirs': (store) => ({
    namespace: (name) => prefixed(store, `${name}/`)
  }),
  'gives the same store by the same name': () => ({
    namespace: () => altered(memory(), () => ({}))
  }),
  'takes keys as long in a namespace as outside, and names as long as keys': (store) => ({
    namespace: (name) => prefixed(store, `${name}/`)
  }),
  'refuses a bad name of a namespace, and a bad limit, with ERR_INVALID_INPUT': (store) => ({
    namespace: (name, limits) => store.namespace(name.replaceAll('/', '_'), limits)
  }),
  'keeps a namespace to its limit, those inside it included, and no other': (store) => ({
    namespace: (name) => store.namespace(name)
  }),
  'does what a Map does, whatever is done to it': (store, inside) =>
    inside ? { delete: (key) => (key === 'a' ? Promise.resolve() : store.delete(key)) } : {},
  'rejects with ERR_STORE once its plugin has stopped': (store) => ({
    get: (key) => store.get(key).catch(() => undefined)
  }),
  'settles whatever is under way when its plugin stops': (store) => ({
    put: async (key, value) => {
      await later(() => later(() => Promise.resolve()))
      await store.put(key, value).catch(() => new Promise(() => undefined))
    }
  }),
  'can be stopped while somebody reads its entries, who is told with ERR_STORE': (store) => ({
    entries: (range) => entriesBy(store, (all) => all)(range)
  }),
  'has what it acknowledged after it was stopped and opened again': (store) => ({
    delete: (key) => (key === 'gone' ? Promise.resolve() : store.delete(key))
  }),
  'has all of a batch or nothing, if it was stopped meanwhile': (store) => ({
    async batch(changes) {
      for (const change of changes) await store.batch([change])
    }
  }),
  'knows nothing of the store that it was before it was opened again': (store) => ({
    put: (key, value) => store.put(key, value).catch(() => undefined)
  })
}

let spare: StoreUnderTest
const memory = (): Store => spare.store.namespace(String(spares++))
let spares = 0

/** A namespace that is nothing but a prefix of keys. */
function prefixed(store: Store, prefix: string): Store {
  const long = (change: StoreChange): StoreChange => ({ ...change, key: prefix + change.key })
  return {
    get: (key) => store.get(prefix + key),
    put: (key, value) => store.put(prefix + key, value),
    delete: (key) => store.delete(prefix + key),
    batch: (changes) => store.batch(changes.map(long)),
    async *entries() {
      for await (const [key, value] of store.entries()) {
        if (key.startsWith(prefix)) yield [key.slice(prefix.length), value] as const
      }
    },
    namespace: (name) => prefixed(store, `${prefix}${name}/`)
  }
}

/** A store whose data outlive its plugin, as those on a disk do. */
interface Kept extends StoreUnderTest {
  readonly data: Store
}

function kept(data: Store, change: Change): Kept {
  let open = true
  const check = (): void => {
    if (!open) throw new PeerloomError('ERR_STORE', 'closed')
  }
  const guard: Change = (store) => ({
    get: async (key) => {
      check()
      return store.get(key)
    },
    put: async (key, value) => {
      check()
      return store.put(key, value)
    },
    delete: async (key) => {
      check()
      return store.delete(key)
    },
    batch: async (changes) => {
      check()
      return store.batch(changes)
    },
    async *entries(range) {
      check()
      for await (const entry of store.entries(range)) {
        yield entry
        check()
      }
    }
  })
  return {
    data,
    store: altered(altered(data, guard), change),
    stop: () => {
      open = false
      return Promise.resolve()
    }
  }
}

const suiteWith = (change: Change) =>
  testsOf((runner) => {
    storeConformance<Kept>({
      name: 'a store',
      create: () => Promise.resolve(kept(memory(), change)),
      createSmall: async () => {
        const small = await openSmall()
        return { store: altered(small.store, change), stop: () => small.stop() }
      },
      reopen: ({ data }) => Promise.resolve(kept(data, change)),
      ...runner
    })
  })

describe('the suite for Store', () => {
  beforeEach(async () => (spare = await openMemory()))
  afterEach(() => spare.stop())

  const good = suiteWith(() => ({}))

  it('has a broken store for each of its tests', () => {
    expect(Object.keys(mutants)).to.deep.equal([...good.keys()])
  })

  for (const [title, test] of good) {
    it(`takes a store on a disk that is as it should be: ${title}`, async () => {
      expect(await failureOf(test)).to.equal(undefined)
    })

    it(`refuses a broken one: ${title}`, async () => {
      expect(await failureOf(suiteWith(mutants[title]!).get(title))).to.be.instanceOf(Error)
    })
  }
})
