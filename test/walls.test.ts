import { expect } from 'chai'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { crossings } from './walls.js'

const FOLDERS = ['src', 'examples', 'test', 'bench', 'sim', 'lab']

function readSources(): Map<string, string> {
  const sources = new Map<string, string>()
  const read = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const file = `${folder}/${entry.name}`
      // Never through a link: an example's node_modules has one that leads back here.
      if (entry.isDirectory() && entry.name !== 'node_modules') read(file)
      else if (entry.isFile() && file.endsWith('.ts')) sources.set(file, readFileSync(file, 'utf8'))
    }
  }
  for (const folder of FOLDERS) if (existsSync(folder)) read(folder)
  return sources
}

describe('the walls of the house', () => {
  it('are crossed nowhere', () => {
    const sources = readSources()
    expect(sources.size).to.be.greaterThan(40)
    expect(crossings(sources)).to.deep.equal([])
  })

  it('are noticed when crossed', () => {
    for (const [file, text, what] of [
      ['src/model/a.ts', `import { x } from '../kernel/index.js'`, 'model imports kernel'],
      ['src/kernel/a.ts', `export * from '../plugins/udp/index.js'`, 'kernel imports plugins/udp'],
      ['src/plugins/udp/a.ts', `import type { X } from '../rpc/index.js'`, 'plugins/udp imports plugins/rpc'],
      ['src/plugins/udp/a.ts', `const x = await import('../rpc/index.js')`, 'plugins/udp imports plugins/rpc'],
      ['src/plugins/udp/a.ts', `import { createNode } from '../../node.js'`, 'plugins/udp imports node.ts'],
      ['src/cli/a.ts', `import { Kernel } from '../kernel/index.js'`, 'cli imports kernel'],
      ['examples/a/a.ts', `import { Kernel } from '../../src/kernel/index.js'`, 'instead of the package'],
      ['src/kernel/a.ts', `import { x } from 'peerloom'`, 'its own package'],
      ['src/kernel/a.ts', `import q from '@matrixai/quic/native/quiche.js'`, 'belongs to src/plugins/quic-transport/'],
      ['src/plugins/udp/a.ts', `setTimeout(() => 0, 1)`, 'calls setTimeout'],
      ['src/plugins/udp/a.ts', `globalThis.setTimeout(() => 0, 1)`, 'globalThis.setTimeout'],
      ['src/plugins/udp/a.ts', `const t = Date.now()`, 'Date.now'],
      ['src/plugins/udp/a.ts', `const t = new Date()`, 'new Date()'],
      ['src/plugins/udp/a.ts', `const s = AbortSignal.timeout(5)`, 'AbortSignal.timeout'],
      ['src/plugins/udp/a.ts', `const r = Math.random()`, 'Math.random'],
      ['src/plugins/udp/a.ts', `import { timer } from 'rxjs'\ntimer(5)`, 'timer without a scheduler']
    ] as const) {
      expect(crossings(new Map([[file, text]])).join(), text).to.contain(what)
    }
    const twice = new Map(['a', 'b'].map((name) => [`src/plugins/rpc/${name}.ts`, `import '@matrixai/rpc'`]))
    expect(crossings(twice).join()).to.contain('more than one file')
    expect(
      crossings(new Map([['src/plugins/udp/a.ts', `import { timer } from 'rxjs'\ntimer(5, scheduler)`]]))
    ).to.deep.equal([])
  })
})
