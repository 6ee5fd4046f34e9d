import { expect } from 'chai'
import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { systemClock, type Store } from '#src/kernel/index.js'
import { levelDisk, type Database, type Disk } from '#src/plugins/store/database.js'
import { Level } from '#src/plugins/store/level.js'
import { LevelStore } from '#src/plugins/store/level-store.js'
import { storeError } from '#src/plugins/store/errors.js'
import { Place } from '#src/plugins/store/usage.js'
import { bytes, errorOf, list, openLevel, refusalOf, useDirectory } from './support.js'

const run = promisify(execFile)

/** A real database on a disk that fails when told to. */
function faultyDisk(directory: string): Disk & { fault: string | undefined; opens: number; failOpen: boolean } {
  const real = levelDisk({ directory, sync: true, repair: false })
  const fail = (verb: string): void => {
    if (disk.fault !== undefined) throw storeError(directory, verb, new Error(`IO error: 000005.log: ${disk.fault}`))
  }
  const disk = {
    directory,
    fault: undefined as string | undefined,
    failOpen: false,
    opens: 0,
    async open(): Promise<Database> {
      disk.opens++
      if (disk.failOpen) fail('opened')
      const database = await real.open()
      return new Proxy(database, {
        get(target, name) {
          const method: unknown = Reflect.get(target, name, target)
          if (typeof method !== 'function') return method
          return async (...args: unknown[]): Promise<unknown> => {
            if (name === 'write') fail('written')
            return method.apply(target, args) as Promise<unknown>
          }
        }
      })
    },
    async probe(): Promise<void> {
      if (!disk.failOpen) fail('written')
      await real.probe()
    }
  }
  return disk
}

describe('a disk that fails', () => {
  const directory = useDirectory()
  let said: string[]
  let disk: ReturnType<typeof faultyDisk>
  let level: Level
  let store: Store

  beforeEach(async () => {
    said = []
    disk = faultyDisk(directory.path)
    level = new Level(disk, systemClock, {
      failed: () => said.push('failed'),
      recovered: () => said.push('recovered'),
      mended: (message) => said.push(message)
    })
    await level.open()
    store = new LevelStore(level, Place.root({ maxBytes: 1_000 }))
    await store.put('before', bytes('1'))
  })

  afterEach(() => level.close())

  it('rejects writes with the way out, goes on reading, and writes again when there is room', async () => {
    disk.fault = 'No space left on device'
    for (let i = 0; i < 3; i++) {
      const error = await errorOf(store.put(`during${i}`, bytes('2')))
      expect(error).to.include({ code: 'ERR_STORE' })
      expect(error?.message).to.match(/cannot be written \(.*No space left on device\); make room on its disk$/)
      expect(await list(store)).to.deep.equal({ before: '1' })
    }
    expect(disk.opens).to.equal(1)
    expect(said).to.deep.equal(['failed'])
    disk.fault = undefined
    await store.put('after', bytes('3'))
    expect(disk.opens).to.equal(2)
    expect(said).to.deep.equal(['failed', 'recovered'])
    expect(await list(store)).to.deep.equal({ after: '3', before: '1' })
    // The room that failed writes would have taken is not counted.
    await store.put('before', new Uint8Array(1_000 - 2 * 100 - 'beforeafter'.length - 1))
  })

  it('names the way out for a disk that has become read-only', async () => {
    disk.fault = 'Read-only file system'
    expect((await errorOf(store.put('k', bytes('2'))))?.message).to.include('make it writable')
  })

  it('is tried again by the next read, too, if opening failed half-way', async () => {
    disk.fault = 'No space left on device'
    await errorOf(store.put('k', bytes('2')))
    disk.failOpen = true
    for (const work of [() => store.put('k', bytes('2')), () => store.get('before')]) {
      expect(await errorOf(work())).to.include({ code: 'ERR_STORE' })
    }
    disk.fault = undefined
    expect(await store.get('before')).to.deep.equal(bytes('1'))
    await store.put('k', bytes('2'))
    expect(said).to.deep.equal(['failed', 'recovered'])
  })

  it('is read while it is opened again', async () => {
    disk.fault = 'No space left on device'
    await errorOf(store.put('k', bytes('2')))
    disk.fault = undefined
    const writing = store.put('k', bytes('2'))
    for (let i = 0; i < 200; i++) expect(await store.get('before')).to.deep.equal(bytes('1'))
    await writing
  })

  it('bounds what waits for it', async () => {
    // 15 fit in 16 MiB with their keys.
    const value = new Uint8Array(1024 * 1024)
    const results = await Promise.all(Array.from({ length: 40 }, (_, i) => errorOf(store.put(`k${i}`, value))))
    expect(results.filter((error) => error?.message.includes('wait for the disk') === true).length).to.equal(25)
  })
})

describe('a store without room or rights', () => {
  const directory = useDirectory()
  const child = fileURLToPath(new URL('./limited.js', import.meta.url))

  if (process.platform !== 'win32') {
    it('keeps what it acknowledged when the system cuts a write short, and goes on', async () => {
      // No file may have more than 256 KiB, so that a large value is written in part, and small ones go on.
      const command = 'ulimit -S -f 256; exec "$0" "$1" "$2"'
      const { stdout } = await run('bash', ['-c', command, process.execPath, child, directory.path], {
        timeout: 30_000
      })
      const { failed, acknowledged, lost, message } = JSON.parse(stdout) as {
        failed: number
        acknowledged: number
        lost: string[]
        message: string
      }
      expect(lost).to.deep.equal([])
      expect(failed).to.equal(10)
      expect(acknowledged).to.equal(90)
      expect(message).to.match(/make room on its disk$/)
      await using opened = await openLevel({ directory: directory.path })
      expect(Object.keys(await list(opened.store))).to.have.length.at.least(acknowledged)
    }).timeout(40_000)

    it('says so when its directory may not be written', async () => {
      {
        await using opened = await openLevel({ directory: directory.path })
        await opened.store.put('k', bytes('v'))
      }
      const { chmodSync } = await import('node:fs')
      chmodSync(directory.path, 0o500)
      // Root may write everywhere: be nobody for the moment.
      const root = process.geteuid?.() === 0
      if (root) process.seteuid?.(65534)
      try {
        const error = await refusalOf({ directory: directory.path })
        expect(error).to.include({ code: 'ERR_STORE' })
        expect(error.message)
          .to.match(/EACCES|Permission denied/)
          .and.include('let the user that runs this write there')
      } finally {
        if (root) process.seteuid?.(0)
        chmodSync(directory.path, 0o700)
      }
    })
  }

  it('says so when its directory is taken away, and reads on', async () => {
    await using opened = await openLevel({ directory: directory.path })
    await opened.store.put('k', bytes('v'))
    rmSync(directory.path, { recursive: true })
    expect(await opened.store.get('k')).to.deep.equal(bytes('v'))
  })
})
