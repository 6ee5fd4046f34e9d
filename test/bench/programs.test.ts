import { cycles, wholeProcess } from '#bench/programs.js'
import { expect } from 'chai'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const turn = { node: process.execPath, quick: true }

describe('the programs of a benchmark', () => {
  let folder: string
  before(() => (folder = mkdtempSync(join(tmpdir(), 'bench-'))))
  after(() => rmSync(folder, { recursive: true }))

  const program = (code: string): string => {
    const file = join(folder, 'program.mjs')
    writeFileSync(file, code)
    return file
  }

  it('are timed from their spawning to their end', async () => {
    const { value, count } = await wholeProcess(program('setTimeout(() => {}, 100)'))(turn)
    expect(count).to.equal(1)
    expect(value).to.be.at.least(100)
  })

  it('offer a cycle, which is repeated in a process of its own and timed on average', async () => {
    const prepare = 'export const prepare = (ms) => () => new Promise((resolve) => setTimeout(resolve, ms))'
    const { value, count } = await cycles(program(prepare), 40)(turn)
    expect(count).to.be.within(1, 13)
    expect(value).to.be.at.least(39)
  }).timeout(15_000)

  it('tell why they failed', async () => {
    for (const measure of [wholeProcess, cycles]) {
      const failure = await measure(program(`throw new Error('no binary')`))(turn).catch(String)
      expect(failure).to.contain('ended with 1').and.to.contain('no binary')
    }
    const killed = await wholeProcess(program(`process.kill(process.pid, 'SIGKILL')`))(turn).catch(String)
    expect(killed).to.contain('ended with SIGKILL')
  }).timeout(15_000)
})
