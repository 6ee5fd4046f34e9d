import { mkdir, open, readdir, readFile, realpath, rename, stat, unlink } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { checkTable, type TableState } from './tables.js'

/** What opening again writes beside what is in the log and the manifest. */
const ROOM_BESIDE_BYTES = 64 * 1024
const PROBE = 'probe'
/** Where tables that cannot be read are put aside; LevelDB's own repair uses it, too. */
const LOST = 'lost'

const TABLE = /^\d+\.(?:ldb|sst)$/
const LOG = /^\d+\.log$/
const MANIFEST = /^MANIFEST-\d+$/

/**
 * Makes the directory, with its parents, for its owner alone, and returns its one true path: by another spelling, the
 * database would not notice that this process has it open already.
 */
export async function makeDirectory(path: string): Promise<string> {
  await makeParents(resolve(path))
  return realpath(path)
}

/** Node's own way goes on for ever in a file system that takes no folders, such as /proc. */
async function makeParents(directory: string): Promise<void> {
  try {
    if ((await stat(directory)).isDirectory()) return
    throw Object.assign(new Error(`${directory} is not a directory`), { code: 'ENOTDIR' })
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
  }
  await makeParents(dirname(directory))
  await mkdir(directory, { mode: 0o700 }).catch((error: unknown) => {
    // Another process may have been first.
    if (codeOf(error) !== 'EEXIST') throw error
  })
}

/** What is in the directory of a database. */
export interface Inventory {
  /** Whether data is there, but not the file that says where: LevelDB would begin anew and delete it. */
  readonly headless: boolean
  /** Tables that cannot be used. */
  readonly bad: readonly { readonly name: string; readonly state: TableState }[]
}

/** Looks at every table of a database that nobody has open. */
export async function takeInventory(directory: string): Promise<Inventory> {
  const names = await readdir(directory)
  const bad: { name: string; state: TableState }[] = []
  let data = false
  for (const name of names) {
    if (TABLE.test(name)) {
      data = true
      const state = checkTable(await readFile(join(directory, name)))
      if (state !== 'good') bad.push({ name, state })
    } else if (LOG.test(name)) data ||= (await stat(join(directory, name))).size > 0
  }
  return { headless: data && !names.includes('CURRENT'), bad }
}

/** Puts tables aside, so that nobody reads them. */
export async function putAside(directory: string, names: readonly string[]): Promise<void> {
  if (names.length === 0) return
  await makeParents(join(directory, LOST))
  for (const name of names) await rename(join(directory, name), join(directory, LOST, name))
}

/**
 * Writes files as large as those that opening the database again would write, and deletes them again. Rejects with what
 * the system says.
 */
export async function probeRoom(directory: string): Promise<void> {
  const sizes = [ROOM_BESIDE_BYTES]
  for (const name of await readdir(directory)) {
    if (LOG.test(name) || MANIFEST.test(name)) sizes.push((await stat(join(directory, name))).size)
  }
  const made: string[] = []
  try {
    for (const [i, size] of sizes.entries()) {
      const probe = join(directory, `${PROBE}.${i}`)
      const file = await open(probe, 'w', 0o600)
      made.push(probe)
      try {
        await file.writeFile(new Uint8Array(size))
        await file.sync()
      } finally {
        await file.close()
      }
    }
  } finally {
    for (const probe of made) await unlink(probe)
  }
}

export function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code
}
