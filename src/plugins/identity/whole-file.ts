import { randomBytes } from 'node:crypto'
import { closeSync, constants, existsSync, fsyncSync, linkSync, mkdirSync, openSync, readSync } from 'node:fs'
import { unlinkSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

export const POSIX = process.platform !== 'win32'

/**
 * Makes a file that appears whole or not at all and never replaces another: written under a name of its own, then
 * linked to its place, which fails if something is there. In that case the other file wins.
 */
export function createWhole(path: string, content: string, mode: number): void {
  const directory = dirname(path)
  const temporary = join(directory, `.${basename(path)}.${randomBytes(8).toString('hex')}`)
  const file = openSync(temporary, 'wx', mode)
  try {
    try {
      writeFileSync(file, content)
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

/** A directory with its parents. Node's own way goes on for ever in a file system that takes no folders, such as /proc. */
export function makeDirectory(directory: string): void {
  if (existsSync(directory)) return
  makeDirectory(dirname(directory))
  try {
    mkdirSync(directory, { mode: 0o700 })
  } catch (error) {
    // Another process may have been first.
    if (codeOf(error) !== 'EEXIST') throw error
  }
}

/** Opens a file for reading; not waiting for a writer, if it is a pipe. */
export function openForReading(path: string): number {
  return openSync(path, constants.O_RDONLY | (POSIX ? constants.O_NONBLOCK : 0))
}

/**
 * What is in an open file, or `undefined` if that is more than `maxBytes`. The size that `fstat` tells may be out of
 * date, or 0 in /proc.
 */
export function readBounded(file: number, maxBytes: number): string | undefined {
  const buffer = Buffer.alloc(maxBytes + 1)
  let length = 0
  for (let read = -1; read !== 0 && length < buffer.length; length += read) {
    read = readSync(file, buffer, length, buffer.length - length, null)
  }
  return length > maxBytes ? undefined : buffer.toString('latin1', 0, length)
}

/** So that the name of a file, too, survives a crash. */
function syncDirectory(directory: string): void {
  const handle = openSync(directory, constants.O_RDONLY)
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

export function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code
}
