import type { NamespaceLimits, Store, StoreChange, StoreRange } from '../../kernel/index.js'
import { walk } from './books.js'
import { encodeChanges, encodeRange } from './input.js'
import { decodeText, encodeKey } from './keys.js'
import { entriesOf, entryKey, splitEntryKey } from './layout.js'
import type { Level } from './level.js'
import type { Place } from './usage.js'

/** One namespace of a store on disk. */
export class LevelStore implements Store {
  constructor(
    private readonly level: Level,
    private readonly place: Place
  ) {}

  async get(key: string): Promise<Uint8Array | undefined> {
    return this.level.get(entryKey(this.place.path, encodeKey(key)))
  }

  async put(key: string, value: Uint8Array): Promise<void> {
    return this.batch([{ type: 'put', key, value }])
  }

  async delete(key: string): Promise<void> {
    return this.batch([{ type: 'delete', key }])
  }

  async batch(changes: readonly StoreChange[]): Promise<void> {
    const encoded = encodeChanges(changes)
    if (encoded.size > 0) await this.level.write(this.place, encoded)
  }

  async *entries(range: StoreRange = {}): AsyncGenerator<readonly [string, Uint8Array]> {
    const { from, to, limit } = encodeRange(range)
    const { path } = this.place
    const [start, end] = entriesOf(path)
    const first = from === undefined ? start : entryKey(path, from)
    const last = to === undefined ? end : entryKey(path, to)
    for await (const [entry, value] of walk(this.level, [first, last], limit)) {
      yield [decodeText(splitEntryKey(entry)[1]), value]
    }
  }

  namespace(name: string, limits?: NamespaceLimits): Store {
    return new LevelStore(this.level, this.place.child(name, limits))
  }
}
