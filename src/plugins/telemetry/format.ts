import { inspect } from 'node:util'
import { Address, PeerloomError } from '../../model/index.js'
import type { KernelEvent } from '../../kernel/index.js'

/** A longer line is cut, so that one event cannot flood a log. */
const MAX_LINE_CHARACTERS = 4_000

/** An error as data: its code, message and causes, never its stack. */
function errorData(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return String(error)
  return {
    ...(error instanceof PeerloomError ? { code: error.code } : {}),
    message: error.message,
    ...(error.cause === undefined || depth >= 3 ? {} : { cause: errorData(error.cause, depth + 1) })
  }
}

/** An event as one line of JSON. Of one that is too long, or cannot be said in JSON, the envelope. */
export function toJsonLine(event: KernelEvent): string {
  const { type, time, plugin } = event
  const line = stringify(event)
  if (line !== undefined && line.length <= MAX_LINE_CHARACTERS) return line
  return JSON.stringify({ type, time, plugin, truncated: line?.slice(0, MAX_LINE_CHARACTERS / 2) ?? '' })
}

function stringify(event: KernelEvent): string | undefined {
  try {
    return JSON.stringify(event, (_key, value: unknown) =>
      value instanceof Error ? errorData(value) : typeof value === 'bigint' ? String(value) : value
    )
  } catch {
    // A circular member of someone's own event.
    return undefined
  }
}

function isAddress(value: unknown): value is Address {
  return typeof value === 'object' && value !== null && 'host' in value && 'port' in value
}

function readable(value: unknown): string {
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : value.toFixed(1)
  // A node id is told apart by its beginning; the rest is noise to a reader.
  if (typeof value === 'string') return /^v[0-9a-v]{52}$/.test(value) ? value.slice(0, 9) : value
  if (value instanceof Error) return value.message
  if (isAddress(value)) return Address.format(value)
  if (Array.isArray(value)) return value.length > 8 ? `${String(value.length)} items` : value.map(readable).join(' ')
  return inspect(value, { depth: 1, breakLength: Infinity, maxArrayLength: 8 })
}

const ENVELOPE = new Set(['type', 'time', 'plugin', 'attempt'])

/** An event as a line for a person: time, type, and its members as `name=value`. */
export function toReadableLine(event: KernelEvent): string {
  const clock = new Date(event.time).toISOString().slice(11, 23)
  const members = Object.entries(event)
    .filter(([name, value]) => !ENVELOPE.has(name) && value !== undefined)
    .map(([name, value]) => `${name}=${readable(value)}`)
  const attempt = event.attempt === undefined ? [] : [`#${event.attempt}`]
  // Names and reasons come from peers too: no control characters on anyone's terminal.
  const line = [clock, event.type.padEnd(18), ...members, ...attempt]
    .join(' ')
    .replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ')
  return line.length > MAX_LINE_CHARACTERS ? `${line.slice(0, MAX_LINE_CHARACTERS)}…` : line
}
