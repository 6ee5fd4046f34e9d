import { createPrivateKey, generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto'
import { closeSync, constants, existsSync, fstatSync, fsyncSync, linkSync, mkdirSync, openSync } from 'node:fs'
import { readSync, unlinkSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { KernelError } from '../../kernel/index.js'

/** A PEM file with an Ed25519 key has 119 bytes; whatever is much longer is something else. */
const MAX_KEY_FILE_BYTES = 4096

const GROUP_AND_OTHERS = 0o077
const POSIX = process.platform !== 'win32'

/**
 * The private key in a file; a new one is made if there is no such file. Throws `ERR_IDENTITY`.
 *
 * File access is synchronous: it is one small file at start, and virtual time cannot run past it.
 */
export function loadOrCreateKey(path: string): KeyObject {
  try {
    return readKey(path)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw asIdentityError(error, 'read', path)
  }
  try {
    createKeyFile(path)
  } catch (error) {
    throw asIdentityError(error, 'create', path)
  }
  try {
    // Not what was just written: another process may have been first.
    return readKey(path)
  } catch (error) {
    throw asIdentityError(error, 'read', path)
  }
}

function readKey(path: string): KeyObject {
  // Non-blocking, since opening a pipe would wait for a writer.
  const file = openSync(path, constants.O_RDONLY | (POSIX ? constants.O_NONBLOCK : 0))
  let pem: string
  try {
    const stats = fstatSync(file)
    if (!stats.isFile()) throw refusal(path, 'is not a file; name a file for the key, or one that does not exist yet')
    if (POSIX && (stats.mode & GROUP_AND_OTHERS) !== 0) {
      const mode = (stats.mode & 0o777).toString(8).padStart(4, '0')
      throw refusal(path, `can be used by others than its owner (mode ${mode}); run: chmod 600 ${path}`)
    }
    pem = readBounded(file, path)
  } finally {
    closeSync(file)
  }
  if (pem.trim() === '') throw refusal(path, 'is empty; restore it from a backup, or remove it to get a new node id')
  return parseKey(pem, path)
}

/** Reads one byte more than is allowed at most: the size that `fstat` tells may be out of date, or 0 in /proc. */
function readBounded(file: number, path: string): string {
  const buffer = Buffer.alloc(MAX_KEY_FILE_BYTES + 1)
  let length = 0
  for (let read = -1; read !== 0 && length < buffer.length; length += read) {
    read = readSync(file, buffer, length, buffer.length - length, null)
  }
  if (length > MAX_KEY_FILE_BYTES) {
    throw refusal(path, `is larger than ${MAX_KEY_FILE_BYTES} bytes and so no key; name another file`)
  }
  return buffer.toString('latin1', 0, length)
}

function parseKey(pem: string, path: string): KeyObject {
  let key: KeyObject
  try {
    key = createPrivateKey({ key: pem, format: 'pem' })
  } catch (cause) {
    const advice = 'restore it from a backup, or remove it to get a new node id'
    throw refusal(path, `holds no private key in PEM, or a damaged or encrypted one; ${advice}`, cause)
  }
  if (key.asymmetricKeyType !== 'ed25519') {
    throw refusal(path, `holds a key of type ${String(key.asymmetricKeyType)}, not Ed25519; name another file`)
  }
  return key
}

/**
 * Makes a key file that appears whole or not at all and never replaces another: written under a name of its own, then
 * linked to its place, which fails if something is there. In that case the other file wins.
 */
function createKeyFile(path: string): void {
  const directory = dirname(path)
  makeDirectory(directory)
  const pem = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' })
  const temporary = join(directory, `.${basename(path)}.${randomBytes(8).toString('hex')}`)
  const file = openSync(temporary, 'wx', 0o600)
  try {
    try {
      writeFileSync(file, pem)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    linkSync(temporary, path)
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
  } finally {
    unlinkSync(temporary)
  }
  if (POSIX) syncDirectory(directory)
}

/** With its parents. Node's own way goes on for ever in a file system that takes no folders, such as /proc. */
function makeDirectory(directory: string): void {
  if (existsSync(directory)) return
  makeDirectory(dirname(directory))
  try {
    mkdirSync(directory, { mode: 0o700 })
  } catch (error) {
    // Another process may have been first.
    if (codeOf(error) !== 'EEXIST') throw error
  }
}

/** So that the file's name, too, survives a crash. */
function syncDirectory(directory: string): void {
  const handle = openSync(directory, constants.O_RDONLY)
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code
}

function refusal(path: string, problem: string, cause?: unknown): KernelError {
  return new KernelError('ERR_IDENTITY', `the key file ${path} ${problem}`, { cause })
}

function asIdentityError(error: unknown, verb: 'read' | 'create', path: string): KernelError {
  if (error instanceof KernelError) return error
  const code = codeOf(error) ?? 'unknown error'
  const advice =
    code === 'EACCES' || code === 'EPERM'
      ? 'run as the user that owns it, or name another file'
      : code === 'EISDIR'
        ? 'it is a directory; name a file in it'
        : 'name another file'
  return new KernelError('ERR_IDENTITY', `cannot ${verb} the key file ${path} (${code}); ${advice}`, { cause: error })
}
