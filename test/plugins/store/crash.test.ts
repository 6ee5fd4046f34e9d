import { expect } from 'chai'
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Store } from '#src/kernel/index.js'
import { errorOf, openLevel, useDirectory } from './support.js'

const ROUNDS = 5
/** Acknowledged batches after which a writer is killed: a different moment each time, also with tables being written. */
const KILL_AFTER = 400

/** Runs a writer until it has acknowledged enough, kills it at once, and returns all that it acknowledged. */
async function killedWriter(directory: string, round: number): Promise<string[]> {
  const writer = spawn(
    process.execPath,
    [fileURLToPath(new URL('./writer.js', import.meta.url)), directory, `${round}`],
    {
      stdio: ['ignore', 'pipe', 'inherit']
    }
  )
  let text = ''
  const enough = Math.floor(Math.random() * KILL_AFTER)
  writer.stdout.setEncoding('latin1').on('data', (data: string) => {
    text += data
    if (text.split('\n').length > enough) writer.kill('SIGKILL')
  })
  const signal = await new Promise((resolve) => writer.once('close', (_, how) => resolve(how)))
  expect(signal).to.equal('SIGKILL')
  return text.split('\n').slice(0, -1)
}

async function expectWholeBatches(store: Store): Promise<void> {
  const values = new Map<string, Uint8Array>()
  for await (const [key, value] of store.entries()) values.set(key, value)
  for (const [key, value] of values) {
    if (key.endsWith('a')) expect(values.get(key.replace(/a$/, 'b')), key).to.deep.equal(value)
    if (key.endsWith('b')) expect(values.has(key.replace(/b$/, 'a')), key).to.equal(true)
  }
}

describe('a process that is killed while it writes', () => {
  const directory = useDirectory()

  it('loses nothing that it acknowledged, and no part of a batch', async () => {
    const acknowledged: string[] = []
    for (let round = 0; round < ROUNDS; round++) {
      acknowledged.push(...(await killedWriter(directory.path, round)))
      await using opened = await openLevel({ directory: directory.path })
      for (const line of acknowledged) {
        const [name = '', key = ''] = line.split(' ')
        const value = await opened.store.namespace(name).get(`${key}-a`)
        expect(value, line).to.deep.equal(new Uint8Array(Buffer.alloc(value?.length ?? 0, Number(key.split('-')[1]))))
      }
      for (const name of ['a', 'b', 'c']) await expectWholeBatches(opened.store.namespace(name))
    }
    expect(acknowledged.length).to.be.greaterThan(0)
    // What they took is known: once all is deleted there is as much room as at first.
    await using opened = await openLevel({ directory: directory.path, maxBytes: 200_000, sync: false })
    for (const name of ['a', 'b', 'c']) {
      const space = opened.store.namespace(name)
      const keys: string[] = []
      for await (const [key] of space.entries()) keys.push(key)
      await space.batch(keys.map((key) => ({ type: 'delete', key })))
    }
    expect(await errorOf(opened.store.put('k', new Uint8Array(199_900)))).to.include({ code: 'ERR_STORE' })
    await opened.store.put('k', new Uint8Array(199_899))
  }).timeout(60_000)
})
