import { PeerloomError, type Clock } from '../../kernel/index.js'
import { readBooks } from './books.js'
import type { Database, Disk } from './database.js'
import { closedError } from './errors.js'
import type { Changes } from './input.js'
import { encodeCount, entryKey, usageKey } from './layout.js'
import { costOf, pathsTo, Usage, type Place } from './usage.js'

/** Bytes of writes that may wait for the disk; a single batch may be larger. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024
/** Writes that are put on disk together. */
const MAX_TOGETHER_BYTES = 1024 * 1024

interface Write {
  readonly place: Place
  readonly changes: Changes
  readonly bytes: number
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** What the store has to tell about its disk. */
export interface Watcher {
  /** Nothing can be written. */
  failed(error: unknown): void
  /** Writing goes on. */
  recovered(): void
  mended(message: string): void
}

/**
 * A database that is written by one batch at a time, within quotas, and opened again after a failed write.
 *
 * That is needed because LevelDB takes no writes any more once it could not sync one, and because whatever it appends
 * to a log after a record that was written in part is lost when the log is read again.
 *
 * Whatever is submitted while a batch is on its way goes into the next one together: one sync for all of them.
 */
export class Level {
  #database: Database | undefined
  #usage = new Usage()
  #opening: Promise<Database> | undefined
  #waiting: Write[] = []
  #waitingBytes = 0
  #writing: Promise<void> | undefined
  #failed = false
  #closed = false

  constructor(
    private readonly disk: Disk,
    private readonly clock: Clock,
    private readonly watcher: Watcher
  ) {}

  async open(): Promise<void> {
    await this.#open()
  }

  get(entry: string): Promise<Uint8Array | undefined> {
    return this.#read((database) => database.get(entry))
  }

  page(...range: Parameters<Database['page']>): ReturnType<Database['page']> {
    return this.#read((database) => database.page(...range))
  }

  /** Runs real work while virtual time waits. */
  async #hold<T>(work: () => Promise<T>): Promise<T> {
    const release = this.clock.hold()
    try {
      return await work()
    } finally {
      release()
    }
  }

  /** Writes all changes or none. Rejects with `ERR_STORE`. */
  write(place: Place, changes: Changes): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#closed) throw closedError()
      let bytes = 0
      for (const [key, value] of changes) bytes += costOf(place.path, key, value?.length ?? 0)
      if (this.#waiting.length > 0 && this.#waitingBytes + bytes > MAX_WAITING_BYTES) {
        throw new PeerloomError(
          'ERR_STORE',
          `${this.#waitingBytes} bytes wait for the disk already; write less at a time`
        )
      }
      this.#waiting.push({ place, changes, bytes, resolve, reject })
      this.#waitingBytes += bytes
      this.#writing ??= this.#hold(() => this.#writeAll())
    })
  }

  /** Ends once what was submitted is written and the database is closed. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#hold(async () => {
      await this.#writing
      await this.#opening?.catch(() => undefined)
      await this.#database?.close()
      this.#database = undefined
    })
  }

  #read<T>(work: (database: Database) => Promise<T>): Promise<T> {
    return this.#hold(async () => {
      if (this.#closed) throw closedError()
      // Nothing is awaited if it is open, so that it is still open when the work begins.
      return work(this.#opening === undefined && this.#database !== undefined ? this.#database : await this.#open())
    })
  }

  async #writeAll(): Promise<void> {
    // So that what is submitted in one turn is written together.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      const writes = this.#takeSome()
      try {
        await this.#writeTogether(await this.#writable(), writes)
      } catch (error) {
        for (const { reject } of writes) reject(error)
      }
    }
    this.#writing = undefined
  }

  #takeSome(): Write[] {
    let count = 0
    let bytes = 0
    for (const write of this.#waiting) {
      if (count > 0 && bytes + write.bytes > MAX_TOGETHER_BYTES) break
      count++
      bytes += write.bytes
    }
    this.#waitingBytes -= bytes
    return this.#waiting.splice(0, count)
  }

  async #writeTogether(database: Database, writes: readonly Write[]): Promise<void> {
    const sizes = await this.#sizesBefore(database, writes)
    const merged = new Map<string, Uint8Array | undefined>()
    const admitted: Write[] = []
    for (const write of writes) {
      const { place, changes, reject } = write
      try {
        this.#usage.take(place, growthBy(place.path, changes, sizes))
      } catch (error) {
        reject(error)
        continue
      }
      admitted.push(write)
      for (const [key, value] of changes) {
        const entry = entryKey(place.path, key)
        sizes.set(entry, value?.length)
        merged.set(entry, value)
      }
      for (const path of pathsTo(place.path)) {
        const bytes = this.#usage.bytes(path)
        merged.set(usageKey(path), bytes === 0 ? undefined : encodeCount(bytes))
      }
    }
    if (admitted.length > 0) await this.#put(database, merged)
    for (const { resolve } of admitted) resolve()
  }

  async #sizesBefore(database: Database, writes: readonly Write[]): Promise<Map<string, number | undefined>> {
    const entries = new Set<string>()
    for (const { place, changes } of writes) {
      for (const key of changes.keys()) entries.add(entryKey(place.path, key))
    }
    const keys = [...entries]
    const sizes = await database.sizes(keys)
    return new Map(keys.map((key, i) => [key, sizes[i]]))
  }

  async #put(database: Database, changes: Changes): Promise<void> {
    try {
      await database.write(changes)
    } catch (error) {
      if (!this.#failed) this.watcher.failed(error)
      this.#failed = true
      throw error
    }
  }

  /** The database, opened again if it has failed. It stays open for reading while that would fail. */
  async #writable(): Promise<Database> {
    if (!this.#failed) return this.#database ?? this.#open()
    await this.disk.probe()
    return this.#open()
  }

  /** Opens the database, after closing the one that has failed. */
  #open(): Promise<Database> {
    this.#opening ??= this.#hold(async () => {
      const { disk, watcher } = this
      await this.#database?.close()
      this.#database = undefined
      const database = await disk.open()
      try {
        // Nobody knows what became of the write that failed.
        this.#usage = await readBooks(database, disk.directory)
      } catch (error) {
        await database.close()
        throw error
      }
      if (database.mended !== undefined) {
        watcher.mended(`the store in ${disk.directory} was damaged (${database.mended}); what could be read is kept`)
      }
      if (this.#failed) watcher.recovered()
      this.#failed = false
      return (this.#database = database)
    }).finally(() => {
      this.#opening = undefined
    })
    return this.#opening
  }
}

/** How much more room the changes take than what was there before. */
function growthBy(path: string, changes: Changes, sizes: ReadonlyMap<string, number | undefined>): number {
  let growth = 0
  for (const [key, value] of changes) {
    const before = sizes.get(entryKey(path, key))
    if (before !== undefined) growth -= costOf(path, key, before)
    if (value !== undefined) growth += costOf(path, key, value.length)
  }
  return growth
}
