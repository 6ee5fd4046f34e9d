import type { Store, StoreChange, StoreRange } from '../../kernel/index.js'
import type { TestRunner } from './runner.js'
import { storeEndTests } from './store-ends.js'
import { storeModelTest } from './store-model.js'
import { storeNamespaceTests } from './store-namespaces.js'
import { storeOrderTests } from './store-order.js'
import { storeValueTests } from './store-values.js'

/** An empty store. `stop` stops its plugin; a second call does nothing. */
export interface StoreUnderTest {
  readonly store: Store
  stop(): Promise<void>
}

export interface StoreConformanceOptions<T extends StoreUnderTest = StoreUnderTest> extends TestRunner {
  readonly name: string
  /** Makes a fresh, empty store; it is asked for before each test. It has room for 8 MiB at least. */
  readonly create: () => Promise<T>
  /** Makes an empty store that has room for no more than 64 KiB. Without it, a full store is not tested. */
  readonly createSmall?: () => Promise<StoreUnderTest>
  /**
   * Opens again, with what it holds, a store that was stopped. For stores that outlive their plugin; without it, that
   * is not tested.
   */
  readonly reopen?: (stopped: T) => Promise<T>
}

/** How a part of the suite registers its tests. */
export interface StoreSuite {
  /** A test with a fresh store. */
  readonly storeTest: (title: string, body: (store: Store, stop: () => Promise<void>) => Promise<void>) => void
  /** A test with a store that is soon full; only if there is one. */
  readonly smallTest: (title: string, body: (store: Store) => Promise<void>) => void
  /** A test with a store that can be stopped and opened again; only if it can. */
  readonly reopenTest: (title: string, body: (open: ReopenedStore) => Promise<void>) => void
}

/** A store that can be stopped and opened again. */
export interface ReopenedStore {
  /** The store as it is open now. */
  readonly store: () => Store
  readonly stop: () => Promise<void>
  /** Stops it if it is running, and opens it again. */
  readonly again: () => Promise<Store>
}

/**
 * Registers a test for each promise of the Store contract.
 *
 * @example
 * storeConformance({ name: 'my-store', create: async () => ({ store: new MyStore(), stop: async () => {} }), describe, it })
 */
export function storeConformance<T extends StoreUnderTest>(options: StoreConformanceOptions<T>): void {
  const { name, create, createSmall, reopen, describe, it } = options
  const suite: StoreSuite = {
    storeTest(title, body) {
      it(title, async () => {
        const open = await create()
        const stop = (): Promise<void> => open.stop()
        await body(open.store, stop).finally(stop)
      })
    },
    smallTest(title, body) {
      if (createSmall === undefined) return
      it(title, async () => {
        const open = await createSmall()
        await body(open.store).finally(() => open.stop())
      })
    },
    reopenTest(title, body) {
      if (reopen === undefined) return
      it(title, async () => {
        let open = await create()
        const stop = (): Promise<void> => open.stop()
        const again = async (): Promise<Store> => {
          await open.stop()
          open = await reopen(open)
          return open.store
        }
        await body({ store: () => open.store, stop, again }).finally(stop)
      })
    }
  }
  describe(`${name} fulfils Store`, () => {
    storeValueTests(suite)
    storeOrderTests(suite)
    storeNamespaceTests(suite)
    storeModelTest(suite)
    storeEndTests(suite)
  })
}

/** All entries of a range, their values as plain arrays. */
export async function listOf(store: Store, range?: StoreRange): Promise<[string, number[]][]> {
  const entries: [string, number[]][] = []
  for await (const [key, value] of store.entries(range)) entries.push([key, [...value]])
  return entries
}

export async function keysOf(store: Store, range?: StoreRange): Promise<string[]> {
  return (await listOf(store, range)).map(([key]) => key)
}

/** A value as a plain array, or `undefined` if there is none. */
export async function valueOf(store: Store, key: string): Promise<number[] | undefined> {
  const value = await store.get(key)
  return value && [...value]
}

export function put(key: string, ...value: number[]): StoreChange {
  return { type: 'put', key, value: Uint8Array.from(value) }
}

/** The order of keys: by their UTF-8 bytes. */
export function compareKeys(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
