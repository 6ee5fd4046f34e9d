import type { Database } from './database.js'
import { foreignError } from './errors.js'
import {
  ALL_ENTRIES,
  ALL_USAGE,
  decodeCount,
  encodeCount,
  FORMAT,
  FORMAT_KEY,
  pathOfUsageKey,
  splitEntryKey,
  usageKey
} from './layout.js'
import { costOf, Usage } from './usage.js'

const PAGE_ENTRIES = 1_000

/** Reads a stretch of entries; see {@link Database.page}. */
interface Pages {
  page: Database['page']
}

/** Every entry from `from` to `to`, page by page, so that no iterator is left open. */
export async function* walk(
  pages: Pages,
  [from, to]: readonly [string, string],
  limit = Infinity
): AsyncGenerator<readonly [key: string, value: Uint8Array]> {
  let next = from
  let left = limit
  while (left > 0) {
    const page = await pages.page(next, to, Math.min(left, PAGE_ENTRIES))
    const last = page.at(-1)
    if (last === undefined) return
    yield* page
    left -= page.length
    // The least key after the last one.
    next = `${last[0]}\0`
  }
}

/**
 * How much room each namespace takes. That is written with each batch, so that it need not be counted again but after
 * a repair. Rejects with `ERR_STORE` if the database is not ours.
 */
export async function readBooks(database: Database, directory: string): Promise<Usage> {
  const format = await database.get(FORMAT_KEY)
  if (format === undefined) {
    if (database.mended === undefined && !(await database.isEmpty())) throw foreignError(directory)
    await database.write(new Map([[FORMAT_KEY, FORMAT]]))
  } else if (!Buffer.from(FORMAT).equals(format)) throw foreignError(directory)
  return database.mended === undefined ? readUsage(database) : recount(database)
}

async function readUsage(database: Database): Promise<Usage> {
  const bytes: [string, number][] = []
  for await (const [key, value] of walk(database, ALL_USAGE)) {
    bytes.push([pathOfUsageKey(key), decodeCount(value) ?? 0])
  }
  return new Usage(bytes)
}

async function recount(database: Database): Promise<Usage> {
  const usage = new Usage()
  for await (const [entry, value] of walk(database, ALL_ENTRIES)) {
    const [path, key] = splitEntryKey(entry)
    usage.add(path, costOf(path, key, value.length))
  }
  const changes = new Map<string, Uint8Array | undefined>()
  for (const [path] of await readUsage(database)) changes.set(usageKey(path), undefined)
  for (const [path, bytes] of usage) changes.set(usageKey(path), encodeCount(bytes))
  await database.write(changes)
  return usage
}
