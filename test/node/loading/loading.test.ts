import { expect } from 'chai'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const program = fileURLToPath(new URL('program.js', import.meta.url))

/** What a process loads that starts and stops a node, and ends by itself then. */
async function loadedBy(kind: 'memory' | 'quic'): Promise<string[]> {
  const { stderr } = await promisify(execFile)(process.execPath, [program, kind], { timeout: 20_000 })
  return [...new Set(stderr.trim().split('\n'))]
}

/** The packages that files belong to; a package within a package counts as itself. */
function packagesOf(files: readonly string[]): Set<string> {
  const names = files.map((file) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1])
  return new Set(names.filter((name) => name !== undefined))
}

/** All that a node in memory needs. */
const LIGHT = ['eventemitter3', 'multiformats', 'rxjs', 'valibot']
/** The classes that applications extend, and what they need; nothing else of @matrixai. */
const CLASSES =
  /\/node_modules\/(@matrixai\/rpc\/dist\/((handlers|callers)\/\w+|errors)|@matrixai\/errors\/.*|ts-custom-error\/.*)\.js$/

describe('what a node loads', () => {
  it('is light in memory: no QUIC, no certificates, no container, no sockets', async () => {
    const files = await loadedBy('memory')
    expect([...packagesOf(files.filter((file) => !CLASSES.test(file)))].sort()).to.deep.equal(LIGHT)
    expect(files.filter((file) => file.endsWith('.node'))).to.deep.equal([])
    const own = files.filter((file) => file.includes('/dist/plugins/'))
    expect(own.length).to.be.greaterThan(50)
    const heavy = [
      '/quic-transport/endpoint.',
      '/quic-transport/tls.',
      '/udp/bind.',
      '/store/level.',
      '/store/database.'
    ]
    expect(own.filter((file) => heavy.some((part) => file.includes(part)))).to.deep.equal([])
    expect(files).not.to.include('node:dgram')
  }).timeout(30_000)

  it('is more over QUIC, which shows that all of it is seen', async function () {
    let files: string[]
    try {
      files = await loadedBy('quic')
    } catch (error) {
      // No prebuilt library for this platform.
      if (String(error).includes('ERR_NATIVE')) this.skip()
      throw error
    }
    expect([...packagesOf(files)]).to.include.members(['@matrixai/quic', '@peculiar/x509'])
    expect(files.filter((file) => file.endsWith('.node'))).to.have.length(1)
    expect(files.some((file) => file.includes('/quic-transport/endpoint.'))).to.equal(true)
    expect(files.some((file) => file.includes('/udp/bind.'))).to.equal(true)
    expect(files).to.include('node:dgram')
  }).timeout(30_000)
})
