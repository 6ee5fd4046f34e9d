import { createKernel, Store } from '#src/kernel/index.js'
import { levelStore } from '#src/plugins/store/index.js'

/** A process that is to be killed: writes batches for ever, several at a time, and says which are acknowledged. */
const [directory = '', lane = '0'] = process.argv.slice(2)
const kernel = createKernel({ plugins: [levelStore.with({ directory })] })
await kernel.start()
const store = kernel.resolve(Store)

async function write(name: string): Promise<never> {
  const space = store.namespace(name)
  for (let i = 0; ; i++) {
    const value = Buffer.alloc(200 + ((i * 37) % 3_000), i)
    await space.batch([
      { type: 'put', key: `${lane}-${i}-a`, value },
      { type: 'put', key: `${lane}-${i}-b`, value },
      { type: 'put', key: 'last', value: Buffer.from(String(i)) }
    ])
    process.stdout.write(`${name} ${lane}-${i}\n`)
  }
}

await Promise.all(['a', 'b', 'c'].map(write))
