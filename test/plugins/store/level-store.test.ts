import { expect } from 'chai'
import { mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { VirtualClock } from '#src/testkit/index.js'
import { bytes, errorOf, list, openLevel, refusalOf, useDirectory } from './support.js'

describe('level store', () => {
  const directory = useDirectory()

  it('keeps everything over a restart, in namespaces that meet neither each other nor keys like theirs', async () => {
    const path = join(directory.path, 'a', 'b')
    {
      await using opened = await openLevel({ directory: path })
      const { store } = opened
      const a = store.namespace('a')
      await store.put('a//k', bytes('0'))
      await store.put('/', bytes('1'))
      await a.put('k', bytes('2'))
      await a.put('/k', bytes('3'))
      await a.namespace('b').put('k', bytes('4'))
      await store.namespace('a\xff').put('\u{10000}', bytes('5'))
    }
    expect(statSync(path).mode & 0o777).to.equal(0o700)
    await using opened = await openLevel({ directory: path })
    const { store } = opened
    expect(await list(store)).to.deep.equal({ '/': '1', 'a//k': '0' })
    expect(await list(store.namespace('a'))).to.deep.equal({ '/k': '3', k: '2' })
    expect(await list(store.namespace('a').namespace('b'))).to.deep.equal({ k: '4' })
    expect(await list(store.namespace('a\xff'))).to.deep.equal({ '\u{10000}': '5' })
  })

  it('lists more entries than it reads at a time, in order, and may be changed or stopped meanwhile', async () => {
    await using opened = await openLevel({ directory: directory.path, sync: false })
    const { store, kernel } = opened
    const keys = Array.from({ length: 2_500 }, (_, i) => `k${String(i).padStart(5, '0')}`)
    await store.batch(keys.map((key) => ({ type: 'put', key, value: new Uint8Array(50) })))
    const seen: string[] = []
    for await (const [key] of store.entries()) {
      if (seen.push(key) === 10) await store.delete('k02400')
    }
    expect(seen).to.deep.equal(keys.filter((key) => key !== 'k02400'))
    for await (const [key] of store.entries({ from: 'k01000', limit: 1_500 })) seen.push(key)
    expect(seen.length).to.equal(2_499 + 1_499)
    const reading = store.entries()[Symbol.asyncIterator]()
    await reading.next()
    await kernel.stop()
    const error = await errorOf(
      (async () => {
        while ((await reading.next()).done !== true);
      })()
    )
    expect(error).to.include({ code: 'ERR_STORE' })
  })

  it('writes what was submitted before it stops, and rejects everything after', async () => {
    const { store, kernel } = await openLevel({ directory: directory.path })
    const writes = Array.from({ length: 50 }, (_, i) => store.put(`k${i}`, bytes('v')))
    await Promise.all([kernel.stop(), ...writes])
    for (const work of [store.get('k1'), store.put('k', bytes('v')), store.delete('k'), list(store)]) {
      const error = await errorOf(work)
      expect(error).to.include({ code: 'ERR_STORE' })
      expect(error?.message).to.include('closed')
    }
    await using opened = await openLevel({ directory: directory.path })
    expect(Object.keys(await list(opened.store))).to.have.length(50)
  })

  it('holds virtual time while the disk works', async () => {
    const clock = new VirtualClock()
    await using opened = await openLevel({ directory: directory.path }, { clock })
    let done = false
    const written = opened.store.put('k', bytes('v')).then(() => (done = true))
    await clock.advance(1)
    expect(done).to.equal(true)
    await written
  })

  it('refuses a directory that is open already, by whatever name, and lets the first one go on', async () => {
    await using opened = await openLevel({ directory: directory.path })
    const alias = `${directory.path}-alias`
    symlinkSync(directory.path, alias)
    try {
      for (const path of [directory.path, relative('.', directory.path), alias]) {
        const error = await refusalOf({ directory: path, repair: true })
        expect(error).to.include({ code: 'ERR_STORE' })
        expect(error.message).to.include(`the store in ${path} is in use`)
      }
    } finally {
      const { unlinkSync } = await import('node:fs')
      unlinkSync(alias)
    }
    await opened.store.put('k', bytes('v'))
  })

  it('says what to do about a directory that cannot be one', async () => {
    const file = join(directory.path, 'file')
    writeFileSync(file, '')
    for (const path of [file, join(file, 'below')]) {
      const error = await refusalOf({ directory: path })
      expect(error).to.include({ code: 'ERR_STORE' })
      expect(error.message).to.include(path).and.include('name a directory')
    }
    if (process.platform !== 'linux') return
    // Where not even root may make one.
    expect((await refusalOf({ directory: '/proc/peerloom' })).message).to.match(/cannot be opened \(ENOENT.*directory$/)
  })

  it('refuses the database of another program and leaves it alone', async () => {
    const { ClassicLevel } = await import('classic-level')
    for (const compression of [true, false]) {
      const path = join(directory.path, String(compression))
      mkdirSync(path)
      const other = new ClassicLevel(path, { compression })
      for (let i = 0; i < 100; i++) await other.put(`key ${i}`, 'v'.repeat(100))
      await other.compactRange('a', 'z')
      await other.close()
      const error = await refusalOf({ directory: path })
      expect(error).to.include({ code: 'ERR_STORE' })
      expect(error.message).to.include('another program')
      const again = new ClassicLevel(path)
      expect(await again.get('key 7')).to.equal('v'.repeat(100))
      await again.close()
    }
  })

  it('leaves nothing in its directory but what LevelDB needs', async () => {
    {
      await using opened = await openLevel({ directory: directory.path })
      await opened.store.put('k', bytes('v'))
    }
    expect(
      readdirSync(directory.path).filter(
        (name) => !/^(?:\d+\.(?:log|ldb)|CURRENT|LOCK|LOG(?:\.old)?|MANIFEST-\d+)$/.test(name)
      )
    ).to.deep.equal([])
  })
})
