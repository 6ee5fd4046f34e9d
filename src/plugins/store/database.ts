import type { ClassicLevel } from 'classic-level'
import { crc32 } from 'node:zlib'
import { messageOf, PeerloomError } from '../../kernel/index.js'
import { codeOf, findDamage, makeDirectory, probeRoom, putTablesAside } from './directory.js'
import { DamagedError, storeError } from './errors.js'
import type { Changes } from './input.js'

/** What is read at a time while entries are listed. */
const PAGE_BYTES = 64 * 1024
/** Each value is preceded by the CRC-32 of key and value. */
const CHECKSUM_BYTES = 4

/** Values by keys on disk, in the order of keys. A key is its bytes, one character each. */
export interface Database {
  /** What was wrong with it when it was opened and mended, if it was. */
  readonly mended: string | undefined
  isEmpty(): Promise<boolean>
  get(key: string): Promise<Uint8Array | undefined>
  /** The lengths of values, even of damaged ones. */
  sizes(keys: readonly string[]): Promise<readonly (number | undefined)[]>
  /** The first entries from `from` (inclusive) to `to` (exclusive): some of them, and none only if there are none. */
  page(from: string, to: string, limit: number): Promise<readonly (readonly [key: string, value: Uint8Array])[]>
  /** All changes or none. */
  write(changes: Changes): Promise<void>
  close(): Promise<void>
}

/** How to reach a database. */
export interface Disk {
  readonly directory: string
  open(): Promise<Database>
  /** Whether opening it again would succeed, as far as room and rights go; rejects if not. */
  probe(): Promise<void>
}

/** A repair writes compressed tables; compacting writes them as we have them. */
const ALL_KEYS = [Buffer.of(0), Buffer.of(0xff, 0xff)] as const

const ENCODING = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const
type Level = ClassicLevel<Buffer, Buffer>

class LevelDatabase implements Database {
  constructor(
    private readonly directory: string,
    private readonly db: Level,
    private readonly sync: boolean,
    readonly mended: string | undefined
  ) {}

  async isEmpty(): Promise<boolean> {
    return (await this.#do('read', () => this.db.keys({ limit: 1 }).all())).length === 0
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    const record = await this.#do('read', () => this.db.get(bytesOf(key)))
    return record === undefined ? undefined : this.#valueOf(key, record)
  }

  async sizes(keys: readonly string[]): Promise<readonly (number | undefined)[]> {
    const records = await this.#do('read', () => this.db.getMany(keys.map(bytesOf)))
    return records.map((record) => record && Math.max(0, record.length - CHECKSUM_BYTES))
  }

  async page(from: string, to: string, limit: number): Promise<readonly (readonly [string, Uint8Array])[]> {
    const records = await this.#do('read', async () => {
      const range = { gte: bytesOf(from), lt: bytesOf(to), limit }
      const iterator = this.db.iterator({ ...range, highWaterMarkBytes: PAGE_BYTES, fillCache: false })
      try {
        return await iterator.nextv(limit)
      } finally {
        await iterator.close()
      }
    })
    return records.map(([bytes, record]) => {
      const key = bytes.toString('latin1')
      return [key, this.#valueOf(key, record)]
    })
  }

  async write(changes: Changes): Promise<void> {
    const operations = [...changes].map(([text, value]) => {
      const key = bytesOf(text)
      return value === undefined
        ? { type: 'del' as const, key }
        : { type: 'put' as const, key, value: Buffer.concat([checksum(key, value), value]) }
    })
    await this.#do('written', () => this.db.batch(operations, { sync: this.sync }))
  }

  close(): Promise<void> {
    return this.#do('closed', () => this.db.close())
  }

  #valueOf(key: string, record: Uint8Array): Uint8Array {
    const value = new Uint8Array(record.subarray(CHECKSUM_BYTES))
    if (checksum(bytesOf(key), value).equals(record.subarray(0, CHECKSUM_BYTES))) return value
    throw new DamagedError(this.directory, 'the value of a key is not what was written')
  }

  async #do<T>(verb: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw storeError(this.directory, verb, error)
    }
  }
}

export interface DiskOptions {
  readonly directory: string
  /** Whether a write is acknowledged only when it would survive a loss of power. */
  readonly sync: boolean
  /** Whether a damaged database is mended, as far as that goes. */
  readonly repair: boolean
}

/** The database in a directory, through classic-level. */
export function levelDisk({ directory, sync, repair }: DiskOptions): Disk {
  const attempt = async <T>(verb: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      throw storeError(directory, verb, error)
    }
  }
  return {
    directory,
    async open() {
      const { ClassicLevel } = await importLevel()
      const path = await attempt('opened', () => makeDirectory(directory))
      const db: Level = new ClassicLevel<Buffer, Buffer>(path, ENCODING)
      let mended: string | undefined
      try {
        await attempt('opened', () => openSound(db, path, directory)).catch(async (error: unknown) => {
          if (!repair || !(error instanceof DamagedError)) throw error
          mended = error.what
          await attempt('repaired', () => mend(path, (location) => ClassicLevel.repair(location)))
          await attempt('opened', () => openSound(db, path, directory))
          await attempt('repaired', () => db.compactRange(...ALL_KEYS))
        })
      } catch (error) {
        await db.close()
        throw error
      }
      return new LevelDatabase(directory, db, sync, mended)
    },
    probe: () => attempt('written', () => probeRoom(directory))
  }
}

async function importLevel(): Promise<{ ClassicLevel: typeof ClassicLevel }> {
  try {
    return await import('classic-level')
  } catch (cause) {
    const where = `${process.platform}-${process.arch}`
    throw new PeerloomError(
      'ERR_STORE',
      `the native library of the store does not load on ${where} (${messageOf(cause).slice(0, 200)}); ` +
        'install optional dependencies, or use the memory store',
      { cause }
    )
  }
}

/** Opens a database that nobody else has open, once all of its tables are known to be good. */
async function openSound(db: Level, path: string, directory: string): Promise<void> {
  await refuseIfInUse(db)
  const damaged = await findDamage(path)
  if (damaged.length > 0) {
    // Another process may have opened it meanwhile, and a file may be half written.
    await refuseIfInUse(db)
    throw new DamagedError(directory, damaged.join(', '))
  }
  // Uncompressed, so that the checksums of all tables can be checked.
  await db.open({ compression: false })
}

/** Opens it in a way that must fail, but only after the lock has been asked for, and touches nothing. */
async function refuseIfInUse(db: Level): Promise<void> {
  try {
    await db.open({ createIfMissing: false, errorIfExists: true })
  } catch (error) {
    if (codeOf((error as Error).cause) === 'LEVEL_LOCKED') throw error
  }
}

/** Bad tables must be put aside first: at one of them, LevelDB's own repair may end the process. */
async function mend(path: string, repair: (location: string) => Promise<void>): Promise<void> {
  await putTablesAside(path)
  await repair(path)
}

function checksum(key: Uint8Array, value: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(CHECKSUM_BYTES)
  bytes.writeUInt32BE(crc32(value, crc32(key)))
  return bytes
}

function bytesOf(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}
