import type { NamespaceLimits, Store, StoreChange, StoreRange } from '../../kernel/index.js'
import { closedError } from './errors.js'
import { encodeChanges, encodeRange, type Changes } from './input.js'
import { decodeText, encodeKey } from './keys.js'
import { costOf, Place, Usage, type Quotas } from './usage.js'

/** The entries of one namespace. */
interface Space {
  readonly entries: Map<string, Uint8Array>
  /** The keys in order, or `undefined` since a key came or went. */
  order: readonly string[] | undefined
}

/** The entries of all namespaces. Paths and keys are encoded. */
class Memory {
  readonly #spaces = new Map<string, Space>()
  readonly #usage = new Usage()
  #closed = false

  /** Forgets everything; whoever comes later is told. */
  close(): void {
    this.#closed = true
    this.#spaces.clear()
  }

  get(path: string, key: string): Uint8Array | undefined {
    return this.#open().get(path)?.entries.get(key)
  }

  /** The keys of one namespace, in order. */
  keys(path: string): readonly string[] {
    const space = this.#open().get(path)
    return space === undefined ? [] : (space.order ??= [...space.entries.keys()].sort())
  }

  /** Applies all changes or, if that takes too much room, none. */
  apply(place: Place, changes: Changes): void {
    const { path } = place
    const entries = this.#open().get(path)?.entries
    const cost = (key: string, value: Uint8Array | undefined): number =>
      value === undefined ? 0 : costOf(path, key, value.length)
    let growth = 0
    for (const [key, value] of changes) growth += cost(key, value) - cost(key, entries?.get(key))
    this.#usage.take(place, growth)
    for (const [key, value] of changes) this.#set(path, key, value)
  }

  #open(): Map<string, Space> {
    if (this.#closed) throw closedError()
    return this.#spaces
  }

  #set(path: string, key: string, value: Uint8Array | undefined): void {
    const space = this.#spaces.get(path) ?? { entries: new Map<string, Uint8Array>(), order: undefined }
    if (space.entries.has(key) !== (value !== undefined)) space.order = undefined
    if (value === undefined) space.entries.delete(key)
    else space.entries.set(key, value)
    if (space.entries.size === 0) this.#spaces.delete(path)
    else this.#spaces.set(path, space)
  }
}

// Methods are async so that whatever they throw is a rejection, as it is with a store on disk.
/* eslint-disable @typescript-eslint/require-await */

/** One namespace of a store in memory. */
class MemoryStore implements Store {
  constructor(
    private readonly memory: Memory,
    private readonly place: Place
  ) {}

  async get(key: string): Promise<Uint8Array | undefined> {
    return this.memory.get(this.place.path, encodeKey(key))?.slice()
  }

  async put(key: string, value: Uint8Array): Promise<void> {
    return this.batch([{ type: 'put', key, value }])
  }

  async delete(key: string): Promise<void> {
    return this.batch([{ type: 'delete', key }])
  }

  async batch(changes: readonly StoreChange[]): Promise<void> {
    this.memory.apply(this.place, encodeChanges(changes))
  }

  async *entries(range: StoreRange = {}): AsyncGenerator<readonly [string, Uint8Array]> {
    const { from, to, limit } = encodeRange(range)
    const keys = this.memory.keys(this.place.path)
    const end = to === undefined ? keys.length : lowerBound(keys, to)
    let left = limit
    for (let i = from === undefined ? 0 : lowerBound(keys, from); i < end && left > 0; i++) {
      const key = keys[i] as string
      const value = this.memory.get(this.place.path, key)
      // Deleted since the walk began.
      if (value === undefined) continue
      left--
      yield [decodeText(key), value.slice()]
    }
  }

  namespace(name: string, limits?: NamespaceLimits): Store {
    return new MemoryStore(this.memory, this.place.child(name, limits))
  }
}

/* eslint-enable @typescript-eslint/require-await */

/** A store in memory, within limits, until it is closed. */
export function createMemoryStore(quotas: Quotas): { readonly store: Store; close(): void } {
  const memory = new Memory()
  return {
    store: new MemoryStore(memory, Place.root(quotas)),
    close: () => {
      memory.close()
    }
  }
}

/** The first place in ordered keys at which a key is `bound` or after it. */
function lowerBound(keys: readonly string[], bound: string): number {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((keys[middle] as string) < bound) low = middle + 1
    else high = middle
  }
  return low
}
