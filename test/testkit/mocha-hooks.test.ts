import { expect } from 'chai'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'

const SPEC = `
import { createTestNetwork, stopAfterTest } from 'peerloom/testkit'
let node
it('leaves a network running', async () => {
  node = (await createTestNetwork({ nodes: 1 })).nodes[0]
})
it('finds it stopped', () => {
  if (node.kernel.state !== 'idle') throw new Error('it still runs')
})
it('leaves something that does not stop', () => {
  stopAfterTest({ stop: () => Promise.reject(new Error('stuck')) }, { name: 'my server' })
})
`

describe('the root hooks for mocha', () => {
  it('stop what a test leaves running, and fail by the name of what does not stop', async () => {
    // Inside the package, so that its own name resolves.
    const folder = mkdtempSync(resolve('build', 'hooks-'))
    try {
      const spec = join(folder, 'spec.mjs')
      writeFileSync(spec, SPEC)
      expect(await import('peerloom/testkit/mocha')).to.have.property('mochaHooks')
      // Mocha resolves what it requires from where it is itself, which is another package than this one.
      const hooks = resolve('dist/testkit/mocha.js')
      const mocha = resolve('node_modules/mocha/bin/mocha.js')
      const args = [mocha, '--no-config', '--no-package', '--require', hooks, '--reporter', 'json', spec]
      const outcome = await promisify(execFile)(process.execPath, args, { timeout: 20_000 }).catch(
        (error: unknown) => error as { stdout: string }
      )
      const { stats, failures } = JSON.parse(outcome.stdout) as {
        stats: { passes: number }
        failures: { fullTitle: string; err: { message: string } }[]
      }
      expect(stats.passes).to.equal(3)
      expect(failures).to.have.length(1)
      expect(failures[0]!.err.message).to.contain('my server did not stop: stuck')
    } finally {
      rmSync(folder, { recursive: true })
    }
  }).timeout(30_000)
})
