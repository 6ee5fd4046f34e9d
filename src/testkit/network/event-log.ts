import { definePlugin, type KernelEvent, type Plugin } from '../../kernel/index.js'

/** Events that a log keeps; later ones are counted in `dropped`. */
export const MAX_LOGGED_EVENTS = 1_000_000
/** How deep an event's details are written out. */
const MAX_DEPTH = 8

/** One event as plain data: the same run gives the same JSON. Errors are `{ name, code, message }`, bytes are hex. */
export interface LoggedEvent {
  /** The index of the node that it happened in. */
  readonly nodeIndex: number
  readonly type: string
  /** Milliseconds since the Unix epoch, by the network's clock. */
  readonly time: number
  /** The plugin that said it. */
  readonly plugin: string
  readonly [detail: string]: unknown
}

/** The events of many nodes in the order in which they happened. */
export class EventLog {
  readonly events: LoggedEvent[] = []
  dropped = 0

  /** A plugin that writes down all that happens in its node, from the first start of a plugin to the last stop. */
  recorder(nodeIndex: number): Plugin {
    return definePlugin({
      name: 'test-network-log',
      start: (_, { events }) => {
        events.stream.subscribe((event) => {
          this.#add(nodeIndex, event)
        })
      }
    })
  }

  #add(nodeIndex: number, event: KernelEvent): void {
    if (this.events.length >= MAX_LOGGED_EVENTS) this.dropped++
    else this.events.push(plain({ nodeIndex, ...event }) as LoggedEvent)
  }
}

/** A value as JSON can say it. */
function plain(value: unknown, depth = 0): unknown {
  if (typeof value === 'bigint' || typeof value === 'symbol' || typeof value === 'function') return String(value)
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Error) {
    return { name: value.name, code: (value as { code?: unknown }).code, message: value.message }
  }
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (depth >= MAX_DEPTH) return '…'
  if (Array.isArray(value)) return value.map((item) => plain(item, depth + 1))
  const { toJSON } = value as { toJSON?: unknown }
  if (typeof toJSON === 'function') return plain(toJSON.call(value), depth + 1)
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item, depth + 1)]))
}
