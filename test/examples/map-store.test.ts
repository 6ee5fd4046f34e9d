import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { storeConformance } from '#src/testkit/index.js'
import { testsOf } from '../testkit/conformance/collect.js'

describe('a store of a third party', () => {
  it('is shown to fulfil the contract by the suite that the package exports, under node:test', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [
      '--test',
      '--test-reporter=tap',
      'build/examples/map-store/conformance.js'
    ])
    const tests = testsOf((runner) => {
      storeConformance({ name: 'any', create: () => Promise.reject(new Error('not here')), ...runner })
    })
    expect(stdout.match(/^ *ok \d+ - (?!.*fulfils Store)(?!.*conformance\.js)/gm)).to.have.length(tests.size)
    expect(stdout).not.to.match(/^ *not ok/m)
  }).timeout(20_000)
})
