import { generateKeyPairSync, KeyObject } from 'node:crypto'
import { closeSync, fstatSync, realpathSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { KernelError } from '../../kernel/index.js'
import type { NodeId } from '../../model/index.js'
import { createIdFile, idFileOf, readIdFile } from './id-file.js'
import { nodeIdOf } from './keys.js'
import { parsePrivateKey, type PemProblem } from './pem.js'
import { codeOf, createWhole, makeDirectory, openForReading, POSIX, readBounded } from './whole-file.js'

/** A PEM file with an Ed25519 key has 119 bytes; whatever is much longer is something else. */
const MAX_KEY_FILE_BYTES = 4096

const GROUP_AND_OTHERS = 0o077
const WRITABLE_BY_OTHERS = 0o002
/** In a directory with this bit, only owners replace their files. */
const STICKY = 0o1000

/**
 * The private key in a file; a new one is made if there is no such file, and nothing says that there was one.
 *
 * Beside it, a file of the same name and `.id` keeps whose key it is. Throws `ERR_IDENTITY`, also if the key is not that
 * node's, or not `expected`'s.
 *
 * File access is synchronous: it is a few small files at start, and virtual time cannot run past it.
 */
export function loadOrCreateKey(path: string, expected?: NodeId): KeyObject {
  const key = attempt('read', path, () => readKey(path)) ?? makeKey(path, expected)
  const id = nodeIdOf(key)
  if (expected !== undefined && id !== expected) {
    throw refusal(path, `holds the key of ${id}, not of ${expected}; name the right file, or change nodeId`)
  }
  const idFile = idFileOf(path)
  const known = knownId(path)
  if (known === undefined) {
    attempt('create', idFile, () => {
      createIdFile(idFile, id)
    })
  } else if (known !== id) {
    const advice = `restore it from a backup, or remove ${idFile} if this node is to be another one from now on`
    throw refusal(path, `holds the key of ${id}, but was that of ${known}; ${advice}`)
  }
  return key
}

function makeKey(path: string, expected: NodeId | undefined): KeyObject {
  const known = knownId(path)
  if (known === undefined && expected === undefined) {
    attempt('create', path, () => {
      createKeyFile(path)
    })
  }
  // Not what was just written: another process may have been first.
  const key = attempt('read', path, () => readKey(path))
  if (key !== undefined) return key
  if (known !== undefined) {
    const advice = `restore it from a backup, or remove ${idFileOf(path)} to get a new node id`
    throw refusal(path, `is missing, and was that of ${known}; ${advice}`)
  }
  if (expected !== undefined) {
    throw refusal(path, `is missing, and a new key would not be that of ${expected}; restore it from a backup`)
  }
  throw refusal(path, 'leads nowhere (ENOENT); remove the link, or name another file')
}

function knownId(path: string): NodeId | undefined {
  const idFile = idFileOf(path)
  const known = attempt('read', idFile, () => readIdFile(idFile))
  if (known === 'damaged') throw refusal(idFile, 'holds no node id; remove it')
  return known
}

/** The key in a file, or `undefined` if there is no file. */
function readKey(path: string): KeyObject | undefined {
  let file: number
  try {
    file = openForReading(path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
  let pem: string | undefined
  try {
    checkOwner(path, file)
    pem = readBounded(file, MAX_KEY_FILE_BYTES)
  } finally {
    closeSync(file)
  }
  checkDirectory(path, dirname(realpathSync(path)))
  if (pem === undefined) {
    throw refusal(path, `is larger than ${MAX_KEY_FILE_BYTES} bytes and so no key; name another file`)
  }
  if (pem.trim() === '') throw refusal(path, `is empty; ${startAnew(path)}`)
  return parseKey(pem, path)
}

function checkOwner(path: string, file: number): void {
  const stats = fstatSync(file)
  if (!stats.isFile()) throw refusal(path, 'is not a file; name a file for the key, or one that does not exist yet')
  if (!POSIX) return
  const { mode, uid } = stats
  if ((mode & GROUP_AND_OTHERS) !== 0) {
    const octal = (mode & 0o777).toString(8).padStart(4, '0')
    throw refusal(path, `can be used by others than its owner (mode ${octal}); run: chmod 600 ${path}`)
  }
  const user = process.geteuid?.()
  // Root can read everything anyway.
  if (uid !== user && uid !== 0) {
    throw refusal(path, `belongs to another user (${uid}), who can use it; run: chown ${String(user)} ${path}`)
  }
}

/** Whoever may write to the directory can put another file in the place of the key. */
function checkDirectory(path: string, directory: string): void {
  const { mode } = statSync(directory)
  if (!POSIX || (mode & WRITABLE_BY_OTHERS) === 0 || (mode & STICKY) !== 0) return
  throw refusal(path, `can be replaced by anyone, as ${directory} is writable by all; run: chmod o-w ${directory}`)
}

function parseKey(pem: string, path: string): KeyObject {
  const key = parsePrivateKey(pem)
  if (!(key instanceof KeyObject)) {
    const problems: Record<PemProblem, string> = {
      damaged: `holds no private key in PEM, or a damaged or encrypted one; ${startAnew(path)}`,
      several: 'holds more than one key or certificate; keep the key alone in it',
      mismatch: `is damaged: its private and its public half do not belong together; ${startAnew(path)}`
    }
    throw refusal(path, problems[key.problem], key.cause)
  }
  if (key.asymmetricKeyType !== 'ed25519') {
    throw refusal(path, `holds a key of type ${String(key.asymmetricKeyType)}, not Ed25519; name another file`)
  }
  return key
}

function createKeyFile(path: string): void {
  makeDirectory(dirname(path))
  checkDirectory(path, dirname(path))
  const pem = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }) as string
  createWhole(path, pem, 0o600)
}

function startAnew(path: string): string {
  return `restore it from a backup, or remove it and ${idFileOf(path)} to get a new node id`
}

function refusal(path: string, problem: string, cause?: unknown): KernelError {
  return new KernelError('ERR_IDENTITY', `the key file ${path} ${problem}`, { cause })
}

const ADVICE: Record<string, string> = {
  EACCES: 'run as the user that owns it, or name another file',
  EPERM: 'run as the user that owns it, or name a file on a file system that has hard links',
  EISDIR: 'it is a directory; name a file in it',
  ENOSPC: 'make room on its disk',
  EDQUOT: 'make room on its disk',
  EROFS: 'its file system is read-only: name another file'
}

function attempt<T>(verb: 'read' | 'create', path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof KernelError) throw error
    const code = codeOf(error) ?? 'unknown error'
    const advice = ADVICE[code] ?? 'name another file'
    throw new KernelError('ERR_IDENTITY', `cannot ${verb} the key file ${path} (${code}); ${advice}`, { cause: error })
  }
}
