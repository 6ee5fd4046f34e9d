import * as v from 'valibot'
import { definePlugin, Store } from '../../kernel/index.js'
import { createMemoryStore } from './memory-store.js'
import { quotas } from './options.js'

const schema = v.strictObject(quotas)

export type MemoryStoreOptions = v.InferInput<typeof schema>

/** A store that forgets everything when the node stops. A full one refuses what would make it larger with `ERR_STORE`. */
export const memoryStore = definePlugin({
  name: 'memory-store',
  provides: { store: Store },
  config: schema,
  start(_, context) {
    const memory = createMemoryStore(context.config)
    context.defer(() => {
      memory.close()
    })
    return { store: memory.store }
  }
})
