import { InvalidInputError, PeerloomError, type Store, type StoreChange, type StoreRange } from '../../kernel/index.js'
import { decodeText, encodeBound, encodeKey, encodeName } from './keys.js'

/** What an entry is taken to cost beside its bytes, so that many small ones are bounded as well. */
const ENTRY_OVERHEAD_BYTES = 100

/** The entries of one namespace. */
interface Space {
  readonly entries: Map<string, Uint8Array>
  /** The keys in order, or `undefined` since a key came or went. */
  order: readonly string[] | undefined
}

/** The entries of all namespaces, within one limit. Paths and keys are encoded. */
class Memory {
  readonly #spaces = new Map<string, Space>()
  #bytes = 0
  #closed = false

  constructor(private readonly maxBytes: number) {}

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

  /** Applies all changes (`undefined` deletes) or, if that takes too much room, none. */
  apply(path: string, changes: ReadonlyMap<string, Uint8Array | undefined>): void {
    const entries = this.#open().get(path)?.entries
    const cost = (key: string, value: Uint8Array | undefined): number =>
      value === undefined ? 0 : path.length + key.length + value.length + ENTRY_OVERHEAD_BYTES
    let growth = 0
    for (const [key, value] of changes) growth += cost(key, value) - cost(key, entries?.get(key))
    if (growth > 0 && this.#bytes + growth > this.maxBytes) {
      throw new PeerloomError(
        'ERR_STORE',
        `the store is full (${this.maxBytes} bytes); delete something or raise maxBytes`
      )
    }
    this.#bytes += growth
    for (const [key, value] of changes) this.#set(path, key, value)
  }

  #open(): Map<string, Space> {
    if (this.#closed) throw new PeerloomError('ERR_STORE', 'the store is closed: its plugin has stopped')
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
    private readonly path: string
  ) {}

  async get(key: string): Promise<Uint8Array | undefined> {
    return this.memory.get(this.path, encodeKey(key))?.slice()
  }

  async put(key: string, value: Uint8Array): Promise<void> {
    return this.batch([{ type: 'put', key, value }])
  }

  async delete(key: string): Promise<void> {
    return this.batch([{ type: 'delete', key }])
  }

  async batch(changes: readonly StoreChange[]): Promise<void> {
    const encoded = new Map<string, Uint8Array | undefined>()
    for (const change of changes) encoded.set(encodeKey(keyOf(change)), newValueOf(change))
    this.memory.apply(this.path, encoded)
  }

  async *entries({ from, to, limit = Infinity }: StoreRange = {}): AsyncGenerator<readonly [string, Uint8Array]> {
    if (!(limit === Infinity || (Number.isInteger(limit) && limit >= 0))) {
      throw new InvalidInputError(`not a limit of entries: ${String(limit)} (expected an integer from 0)`)
    }
    const keys = this.memory.keys(this.path)
    const end = to === undefined ? keys.length : lowerBound(keys, encodeBound(to))
    let left = limit
    for (let i = from === undefined ? 0 : lowerBound(keys, encodeBound(from)); i < end && left > 0; i++) {
      const key = keys[i] as string
      const value = this.memory.get(this.path, key)
      // Deleted since the walk began.
      if (value === undefined) continue
      left--
      yield [decodeText(key), value.slice()]
    }
  }

  namespace(name: string): Store {
    // Names have no "/", so no two paths are spelled alike.
    return new MemoryStore(this.memory, `${this.path}${encodeName(name)}/`)
  }
}

/* eslint-enable @typescript-eslint/require-await */

/** A store in memory for at most `maxBytes`, all namespaces together, until it is closed. */
export function createMemoryStore(maxBytes: number): { readonly store: Store; close(): void } {
  const memory = new Memory(maxBytes)
  return {
    store: new MemoryStore(memory, ''),
    close: () => {
      memory.close()
    }
  }
}

/** Throws `ERR_INVALID_INPUT` unless a change is an object, whatever its type says. */
function keyOf(change: StoreChange): string {
  if (typeof (change as unknown) !== 'object' || (change as unknown) === null) {
    throw new InvalidInputError('a change is { type, key } or { type, key, value }')
  }
  return change.key
}

/** The value after a change, `undefined` if it is gone. Throws `ERR_INVALID_INPUT`. */
function newValueOf(change: StoreChange): Uint8Array | undefined {
  // An unknown change taken for a deletion would lose data.
  switch (change.type as unknown) {
    case 'put':
      return copyOf((change as { readonly value?: unknown }).value)
    case 'delete':
      return undefined
    default:
      throw new InvalidInputError(`a change is "put" or "delete", not ${String(change.type)}`)
  }
}

function copyOf(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new InvalidInputError('a value is a Uint8Array')
  // Not `value.slice()`, which for a Buffer is no copy.
  return new Uint8Array(value)
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
