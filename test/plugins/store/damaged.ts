import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createKernel, Store, type Kernel } from '#src/kernel/index.js'
import { levelStore } from '#src/plugins/store/index.js'

/**
 * Changes a byte of a store, at many places, and prints what became of each: `right` (what is there is as it was
 * written), `refused` (with the code), or `wrong`. A process of its own, since it would be the one to crash.
 */
const [original = '', directory = '', rounds = '0', seed = '1'] = process.argv.slice(2)

let state = Number(seed)
const random = (below: number): number => {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
  return Math.floor((state / 2 ** 32) * below)
}

async function look(kernel: Kernel): Promise<string> {
  try {
    await kernel.start()
  } catch (error) {
    const { cause } = error as Error
    return `refused ${(cause as { code: string }).code}`
  }
  try {
    const store = kernel.resolve(Store)
    for await (const [key, value] of store.entries()) {
      if (!Buffer.from(value).equals(Buffer.alloc(100, key))) return `wrong ${key}`
    }
    await store.put('another', Buffer.alloc(100, 'another'))
    return 'right'
  } catch (error) {
    return `refused ${(error as { code: string }).code}`
  } finally {
    await kernel.stop()
  }
}

for (let round = 0; round < Number(rounds); round++) {
  rmSync(directory, { recursive: true, force: true })
  cpSync(original, directory, { recursive: true })
  const files = readdirSync(directory).filter((name) => /^CURRENT$|^MANIFEST|\.ldb$|\.log$/.test(name))
  const file = join(directory, files[random(files.length)] ?? '')
  const content = readFileSync(file)
  const at = random(content.length)
  content[at] = (content[at] ?? 0) ^ (1 + random(255))
  writeFileSync(file, random(4) === 0 ? content.subarray(0, at) : content)
  const first = await look(createKernel({ plugins: [levelStore.with({ directory, sync: false })] }))
  const mended = await look(createKernel({ plugins: [levelStore.with({ directory, sync: false, repair: true })] }))
  process.stdout.write(`${first}, then ${mended}\n`)
}
