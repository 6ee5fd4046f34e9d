import { mkdir, open, readdir, readFile, realpath, rename, stat, unlink } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { isDamaged } from './tables.js'

/** What opening again writes beside what is in the log and the manifest. */
const ROOM_BESIDE_BYTES = 64 * 1024
const PROBE = 'probe'
/** Where tables that cannot be read are put aside; LevelDB's own repair uses it, too. */
const LOST = 'lost'

const CURRENT = 'CURRENT'
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

/**
 * What is wrong with a database that nobody has open: its files that are not what was written, if any. Where CURRENT is
 * missing, LevelDB would begin anew and delete all data.
 */
export async function findDamage(directory: string): Promise<readonly string[]> {
  const names = new Set(await readdir(directory))
  const damaged: string[] = []
  let hasData = false
  for (const name of names) {
    const path = join(directory, name)
    if (LOG.test(name)) hasData ||= (await stat(path)).size > 0
    if (!TABLE.test(name)) continue
    hasData = true
    if (isDamaged(await readFile(path))) damaged.push(name)
  }
  if (names.has(CURRENT) ? !namesManifest(await readFile(join(directory, CURRENT), 'latin1'), names) : hasData) {
    damaged.push(CURRENT)
  }
  return damaged
}

function namesManifest(current: string, names: ReadonlySet<string>): boolean {
  const name = current.slice(0, -1)
  return current === `${name}\n` && MANIFEST.test(name) && names.has(name)
}

/** Puts damaged tables where nobody reads them. */
export async function putTablesAside(directory: string): Promise<void> {
  for (const name of await findDamage(directory)) {
    if (!TABLE.test(name)) continue
    await makeParents(join(directory, LOST))
    await rename(join(directory, name), join(directory, LOST, name))
  }
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
