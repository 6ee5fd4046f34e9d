import { closeSync } from 'node:fs'
import { NodeId } from '../../model/index.js'
import { codeOf, createWhole, openForReading, readBounded } from './whole-file.js'

/** A node id has 53 characters. */
const MAX_BYTES = 256

/** Where a directory may be read and not written, as that of a mounted secret, a key goes without. */
const NOT_WRITABLE = new Set(['EROFS', 'EACCES', 'EPERM'])

/** The file beside a key file that says whose key it is, so that a key that is lost or another one is noticed. */
export function idFileOf(keyFile: string): string {
  return `${keyFile}.id`
}

/** The node id in a file, `undefined` if there is no file, or `damaged`. Throws what the system throws. */
export function readIdFile(path: string): NodeId | 'damaged' | undefined {
  let file: number
  try {
    file = openForReading(path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
  try {
    const text = readBounded(file, MAX_BYTES)?.trim()
    return text !== undefined && NodeId.is(text) ? text : 'damaged'
  } finally {
    closeSync(file)
  }
}

/** Makes the file if there is none and it can be made. */
export function createIdFile(path: string, id: NodeId): void {
  try {
    createWhole(path, `${id}\n`, 0o644)
  } catch (error) {
    if (!NOT_WRITABLE.has(codeOf(error) ?? '')) throw error
  }
}
