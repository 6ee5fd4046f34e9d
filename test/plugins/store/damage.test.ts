import { expect } from 'chai'
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { ofType } from '#src/kernel/index.js'
import { createKernel, Store } from '#src/kernel/index.js'
import { levelStore } from '#src/plugins/store/index.js'
import { isDamaged } from '#src/plugins/store/tables.js'
import { errorOf, list, openLevel, refusalOf, useDirectory } from './support.js'

const ENTRIES = 300
const ROUNDS = 60

/** Fills a store so that some of it is in tables and some in the log. */
async function fill(directory: string): Promise<void> {
  for (let part = 0; part < 3; part++) {
    await using opened = await openLevel({ directory, sync: false })
    for (let i = part; i < ENTRIES; i += 3) await opened.store.put(`k${i}`, Buffer.alloc(100, `k${i}`))
  }
}

describe('a damaged store', () => {
  const directory = useDirectory()
  let path: string

  beforeEach(async () => {
    path = join(directory.path, 'store')
    await fill(path)
  })

  const files = (pattern: RegExp): string[] =>
    readdirSync(path)
      .filter((name) => pattern.test(name))
      .map((name) => join(path, name))

  const change = (pattern: RegExp, edit: (content: Buffer) => Buffer | string): void => {
    const found = files(pattern)
    expect(found).not.to.deep.equal([])
    for (const file of found) writeFileSync(file, edit(readFileSync(file)))
  }

  const damages: Record<string, () => void> = {
    'no CURRENT': () => {
      rmSync(join(path, 'CURRENT'))
    },
    'an empty CURRENT': () => {
      change(/^CURRENT$/, () => '')
    },
    'a CURRENT that names nothing': () => {
      change(/^CURRENT$/, () => 'MANIFEST-000999\n')
    },
    'no MANIFEST': () => {
      for (const file of files(/^MANIFEST/)) rmSync(file)
    },
    'an empty MANIFEST': () => {
      change(/^MANIFEST/, () => '')
    },
    'a changed MANIFEST': () => {
      change(/^MANIFEST/, (content) => {
        content[10] = (content[10] ?? 0) ^ 1
        return content
      })
    },
    'a missing table': () => {
      rmSync(files(/\.ldb$/)[0] ?? '')
    },
    'an empty table': () => {
      change(/\.ldb$/, () => '')
    },
    'a table of something else': () => {
      change(/\.ldb$/, () => 'x'.repeat(3_000))
    },
    'a changed table': () => {
      change(/\.ldb$/, (content) => {
        content[100] = (content[100] ?? 0) ^ 1
        return content
      })
    },
    'a table cut short': () => {
      change(/\.ldb$/, (content) => content.subarray(0, -1))
    }
  }

  for (const [name, damage] of Object.entries(damages)) {
    it(`with ${name} is refused with a way out, left as it is, and mended when that is asked for`, async () => {
      damage()
      const before = readdirSync(path).filter((file) => /ldb$/.test(file))
      const error = await refusalOf({ directory: path })
      expect(error).to.include({ code: 'ERR_STORE' })
      expect(error.message).to.include(`the store in ${path} is damaged`).and.include('repair: true')
      expect(readdirSync(path).filter((file) => /ldb$/.test(file))).to.deep.equal(before)
      const warnings: string[] = []
      const kernel = createKernel({ plugins: [levelStore.with({ directory: path, repair: true, maxBytes: 100_000 })] })
      kernel.events.pipe(ofType('node.warning')).subscribe(({ message }) => warnings.push(message))
      await kernel.start()
      const store = kernel.resolve(Store)
      expect(warnings.join()).to.include('was damaged')
      for (const [key, value] of Object.entries(await list(store))) {
        expect(Buffer.from(value)).to.deep.equal(Buffer.alloc(100, key))
        await store.delete(key)
      }
      // What is there has been counted again.
      expect(await errorOf(store.put('k', new Uint8Array(99_900)))).to.include({ code: 'ERR_STORE' })
      await store.put('k', new Uint8Array(99_899))
      await kernel.stop()
      await (await openLevel({ directory: path })).kernel.stop()
    })
  }

  it('never ends the process and never gives a wrong value, wherever a byte is changed', async () => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [fileURLToPath(new URL('./damaged.js', import.meta.url)), path, join(directory.path, 'copy'), `${ROUNDS}`],
      { timeout: 60_000 }
    )
    const lines = stdout.trim().split('\n')
    expect(lines).to.have.length(ROUNDS)
    expect(lines.filter((line) => !/^(?:right|refused ERR_STORE), then right$/.test(line))).to.deep.equal([])
    expect(lines.filter((line) => line.startsWith('refused')).length).to.be.greaterThan(ROUNDS / 4)
  }).timeout(70_000)

  it('is told from a good one by every byte of its tables', () => {
    const table = readFileSync(files(/\.ldb$/)[0] ?? '')
    expect(isDamaged(table)).to.equal(false)
    // The last bytes of the footer before the magic number are padding.
    const PADDING = { from: table.length - 48, to: table.length - 8 }
    for (let at = 0; at < table.length; at++) {
      if (at >= PADDING.from && at < PADDING.to) continue
      const byte = table[at] as number
      table[at] = byte ^ 4
      expect(isDamaged(table), `byte ${at}`).to.equal(true)
      table[at] = byte
    }
    for (let length = 0; length < table.length; length += 7) {
      expect(isDamaged(table.subarray(0, length))).to.equal(true)
    }
  }).timeout(20_000)
})
