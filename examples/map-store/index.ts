// A Store of one's own: what a plugin author writes. `conformance.ts` beside it proves that it keeps the contract.
import { definePlugin, InvalidInputError, PeerloomError, Store } from 'peerloom'
import type { NamespaceLimits, StoreChange, StoreRange } from 'peerloom'

const MAX_KEY_BYTES = 512
/** What an entry costs beside its bytes. */
const OVERHEAD_BYTES = 100

/** Entries of all namespaces by their path (which ends with a slash) and their key. */
interface Shelf {
  readonly spaces: Map<string, Map<string, Uint8Array>>
  open: boolean
}

interface Limit {
  readonly path: string
  readonly maxBytes: number
}

export class MapStore implements Store {
  constructor(
    private readonly shelf: Shelf,
    private readonly path = '',
    private readonly limits: readonly Limit[] = []
  ) {}

  async get(key: string): Promise<Uint8Array | undefined> {
    const value = this.#entries().get(checkedText(key))
    return Promise.resolve(value?.slice())
  }

  async put(key: string, value: Uint8Array): Promise<void> {
    return this.batch([{ type: 'put', key, value }])
  }

  async delete(key: string): Promise<void> {
    return this.batch([{ type: 'delete', key }])
  }

  async batch(changes: readonly StoreChange[]): Promise<void> {
    const before = this.#entries()
    const after = new Map(before)
    for (const change of changes) apply(after, change)
    this.shelf.spaces.set(this.path, after)
    const full =
      bytesOf(after) > bytesOf(before) && this.limits.find((limit) => this.#bytesIn(limit.path) > limit.maxBytes)
    if (full === false || full === undefined) return Promise.resolve()
    this.shelf.spaces.set(this.path, before)
    throw new PeerloomError('ERR_STORE', `there is no room: at most ${full.maxBytes} bytes`)
  }

  async *entries(range: StoreRange = {}): AsyncGenerator<readonly [string, Uint8Array]> {
    const { from, to, limit = Infinity } = range
    for (const end of [from, to]) {
      if (end !== undefined && typeof end !== 'string') throw new InvalidInputError('an end of a range is a string')
    }
    if (limit !== Infinity && !(Number.isInteger(limit) && limit >= 0)) throw new InvalidInputError('not a limit')
    const keys = [...this.#entries().keys()]
      .filter((key) => (from === undefined || compare(key, from) >= 0) && (to === undefined || compare(key, to) < 0))
      .sort(compare)
    let left = limit
    for (const key of keys) {
      if (left === 0) return
      const value = await this.get(key)
      if (value === undefined) continue
      left--
      yield [key, value]
    }
  }

  namespace(name: string, { maxBytes }: NamespaceLimits = {}): Store {
    if (checkedText(name).includes('/')) throw new InvalidInputError('a name has no slash')
    const path = `${this.path}${name}/`
    if (maxBytes === undefined) return new MapStore(this.shelf, path, this.limits)
    if (!(Number.isInteger(maxBytes) && maxBytes >= 0)) throw new InvalidInputError('not a limit')
    return new MapStore(this.shelf, path, [...this.limits, { path, maxBytes }])
  }

  #entries(): Map<string, Uint8Array> {
    if (!this.shelf.open) throw new PeerloomError('ERR_STORE', 'the store is closed')
    return this.shelf.spaces.get(this.path) ?? new Map<string, Uint8Array>()
  }

  #bytesIn(path: string): number {
    let bytes = 0
    for (const [other, entries] of this.shelf.spaces) if (other.startsWith(path)) bytes += bytesOf(entries)
    return bytes
  }
}

function apply(entries: Map<string, Uint8Array>, change: unknown): void {
  const { type, key, value } = (change ?? {}) as { type?: unknown; key?: unknown; value?: unknown }
  const text = checkedText(key)
  if (type === 'delete') {
    entries.delete(text)
    return
  }
  if (type !== 'put' || !(value instanceof Uint8Array)) throw new InvalidInputError('a value is a Uint8Array')
  entries.set(text, new Uint8Array(value))
}

function checkedText(text: unknown): string {
  if (
    typeof text !== 'string' ||
    text === '' ||
    Buffer.byteLength(text) > MAX_KEY_BYTES ||
    /\p{Surrogate}/u.test(text)
  ) {
    throw new InvalidInputError(`a key is a well-formed string of 1 to ${MAX_KEY_BYTES} bytes`)
  }
  return text
}

function compare(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

function bytesOf(entries: ReadonlyMap<string, Uint8Array>): number {
  let bytes = 0
  for (const [key, value] of entries) bytes += Buffer.byteLength(key) + value.length + OVERHEAD_BYTES
  return bytes
}

export const mapStore = definePlugin({
  name: 'acme-map-store',
  provides: { store: Store },
  start(_, context) {
    const shelf: Shelf = { spaces: new Map(), open: true }
    context.defer(() => {
      shelf.open = false
    })
    return { store: new MapStore(shelf) }
  }
})
