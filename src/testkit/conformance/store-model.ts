import assert from 'node:assert/strict'
import type { Random, Store, StoreChange, StoreRange } from '../../kernel/index.js'
import { seededRandom } from '../seeded-random.js'
import { compareKeys, listOf, valueOf, type StoreSuite } from './store.js'

const SEEDS = 25
const STEPS = 40
/** Few enough that keys meet, with every kind of character whose order in UTF-16 and in UTF-8 could differ. */
const CHARACTERS = ['a', 'b', '/', '\0', '\x7f', 'é', '\ud7ff', '\ue000', '\uffff', '\u{10000}', '\u{1f600}']
const PLACES: readonly (readonly string[])[] = [[], ['a'], ['a', 'a'], ['b'], ['a\0']]

type Model = Map<string, readonly number[]>

/** Whatever is done to a store, by a chance that repeats, is done to a Map, too. */
export function storeModelTest({ storeTest }: StoreSuite): void {
  storeTest('does what a Map does, whatever is done to it', async (store) => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const root = store.namespace(`seed ${seed}`)
      const models = PLACES.map((): Model => new Map())
      const random = seededRandom(seed)
      for (let step = 1; step <= STEPS; step++) {
        const place = random.int(PLACES.length)
        const path = PLACES[place] as readonly string[]
        const part = path.reduce((parent: Store, name) => parent.namespace(name), root)
        await doStep(part, models[place] as Model, random, `seed ${seed}, step ${step}`)
      }
    }
  })
}

async function doStep(store: Store, model: Model, random: Random, where: string): Promise<void> {
  const key = someKey(random)
  switch (random.int(5)) {
    case 0: {
      const value = someValue(random)
      await store.put(key, Uint8Array.from(value))
      model.set(key, value)
      break
    }
    case 1:
      await store.delete(key)
      model.delete(key)
      break
    case 2: {
      const changes = Array.from({ length: random.int(6) }, () => someChange(random))
      await store.batch(changes)
      for (const change of changes) {
        if (change.type === 'put') model.set(change.key, [...change.value])
        else model.delete(change.key)
      }
      break
    }
    case 3: {
      const range = someRange(random)
      assert.deepEqual(await listOf(store, range), expected(model, range), `${where}: ${JSON.stringify(range)}`)
      break
    }
    default:
      assert.deepEqual(await valueOf(store, key), model.get(key), `${where}: ${JSON.stringify(key)}`)
  }
  assert.deepEqual(await listOf(store), expected(model, {}), where)
}

function expected(model: Model, { from, to, limit }: StoreRange): [string, number[]][] {
  return [...model]
    .filter(
      ([key]) => (from === undefined || compareKeys(key, from) >= 0) && (to === undefined || compareKeys(key, to) < 0)
    )
    .sort(([a], [b]) => compareKeys(a, b))
    .slice(0, limit)
    .map(([key, value]) => [key, [...value]])
}

function someKey(random: Random): string {
  return Array.from({ length: 1 + random.int(3) }, () => CHARACTERS[random.int(CHARACTERS.length)]).join('')
}

function someValue(random: Random): number[] {
  return [...random.bytes(random.int(9))]
}

function someChange(random: Random): StoreChange {
  const key = someKey(random)
  return random.int(3) === 0 ? { type: 'delete', key } : { type: 'put', key, value: Uint8Array.from(someValue(random)) }
}

function someRange(random: Random): StoreRange {
  return {
    ...(random.int(2) === 0 && { from: someKey(random) }),
    ...(random.int(2) === 0 && { to: someKey(random) }),
    ...(random.int(2) === 0 && { limit: random.int(6) })
  }
}
