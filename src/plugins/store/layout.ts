/**
 * Where things are in a database: an entry under its namespace's path, a "/" and its key; since no name is empty, the
 * first empty one ends the path, and no two entries meet. What the store keeps for itself begins with a byte that
 * occurs in no UTF-8. All keys are encoded.
 */

const OWN = '\xff'

/** Present in every database of ours; its value is the version of this layout. */
export const FORMAT_KEY = `${OWN}format`
export const FORMAT = Uint8Array.of(1)

/** Where the entries of all namespaces are. */
export const ALL_ENTRIES = ['', OWN] as const
/** Where the counts of {@link usageKey} are: `v` follows `u`. */
export const ALL_USAGE = [`${OWN}u:`, `${OWN}u;`] as const

/** The key of an entry. */
export function entryKey(path: string, key: string): string {
  return `${path}/${key}`
}

/** From where to where the entries of one namespace are: "0" follows "/". */
export function entriesOf(path: string): readonly [from: string, to: string] {
  return [`${path}/`, `${path}0`]
}

/** The namespace and key of an entry. */
export function splitEntryKey(entry: string): readonly [path: string, key: string] {
  const end = entry.startsWith('/') ? 0 : entry.indexOf('//') + 1
  return [entry.slice(0, end), entry.slice(end + 1)]
}

/** The key under which it is kept how much room a namespace takes. */
export function usageKey(path: string): string {
  return ALL_USAGE[0] + path
}

export function pathOfUsageKey(key: string): string {
  return key.slice(ALL_USAGE[0].length)
}

export function encodeCount(count: number): Uint8Array {
  return Buffer.from(String(count), 'latin1')
}

/** A count, or `undefined` if it is none. */
export function decodeCount(value: Uint8Array): number | undefined {
  const count = Number(Buffer.from(value).toString('latin1'))
  return Number.isSafeInteger(count) && count >= 0 ? count : undefined
}
