import { createKernel, messageOf, Store } from '#src/kernel/index.js'
import { levelStore } from '#src/plugins/store/index.js'

/** Writes values, some too large for the limit on files, and prints how that went. */
const [directory = ''] = process.argv.slice(2)
const kernel = createKernel({ plugins: [levelStore.with({ directory })] })
await kernel.start()
const store = kernel.resolve(Store)
const acknowledged: string[] = []
let failed = 0
let message = ''
for (let i = 0; i < 100; i++) {
  try {
    await store.put(`k${i}`, Buffer.alloc(i % 10 === 5 ? 300_000 : 1_000, i))
    acknowledged.push(`k${i}`)
  } catch (error) {
    failed++
    message = messageOf(error)
  }
}
await kernel.stop()
await kernel.start()
const again = kernel.resolve(Store)
const lost: string[] = []
for (const key of acknowledged) if ((await again.get(key)) === undefined) lost.push(key)
await kernel.stop()
process.stdout.write(JSON.stringify({ failed, acknowledged: acknowledged.length, lost, message }))
