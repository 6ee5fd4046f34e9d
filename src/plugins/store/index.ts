import { z } from 'zod'
import { definePlugin, Store } from '../../kernel/index.js'
import { createMemoryStore } from './memory-store.js'

const schema = z.strictObject({
  /** Bytes that all entries together may take, counting about 100 beside each one's own; 64 MiB. */
  maxBytes: z
    .int()
    .min(0)
    .default(64 * 2 ** 20)
})

export type MemoryStoreOptions = z.input<typeof schema>

/** A store that forgets everything when the node stops. A full one refuses what would make it larger with `ERR_STORE`. */
export const memoryStore = definePlugin({
  name: 'memory-store',
  provides: { store: Store },
  config: schema,
  start(_, { config, defer }) {
    const { store, close } = createMemoryStore(config.maxBytes)
    defer(close)
    return { store }
  }
})
