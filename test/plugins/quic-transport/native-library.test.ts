import { expect } from 'chai'
import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { loadQuiche } from '#src/plugins/quic-transport/quiche.js'

const run = promisify(execFile)
const PLATFORM = `${process.platform}-${process.arch}`
const SPECIFIER = '@matrixai/quic/native/quiche.js'

async function failure(load: Parameters<typeof loadQuiche>[0]): Promise<{ code: string; message: string }> {
  return loadQuiche(load).then(
    () => expect.fail('it loaded'),
    (error: unknown) => error as { code: string; message: string }
  )
}

describe('the native library', () => {
  let directory: string

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'peerloom-native-'))
  })
  afterEach(() => {
    rmSync(directory, { recursive: true })
  })

  /** The binding of the real package beside a package of binaries with these files; its URL. */
  function install(files: Readonly<Record<string, string>>): string {
    const real = dirname(createRequire(import.meta.url).resolve('@matrixai/quic/package.json'))
    const binding = join('dist', 'native', 'quiche.js')
    const copy = join(directory, 'node_modules', '@matrixai', 'quic')
    mkdirSync(dirname(join(copy, binding)), { recursive: true })
    for (const file of ['package.json', binding]) cpSync(join(real, file), join(copy, file))
    const binaries = `${copy}-${PLATFORM}`
    mkdirSync(binaries)
    writeFileSync(join(binaries, 'package.json'), JSON.stringify({ main: 'main.node' }))
    for (const [name, text] of Object.entries(files)) writeFileSync(join(binaries, name), text)
    return pathToFileURL(join(copy, binding)).href
  }

  const load = (url: string) => async () => ((await import(url)) as { default: object }).default

  it('says which platforms it exists for when it is missing', async () => {
    const { code, message } = await failure(load(install({})))
    expect(code).to.equal('ERR_NATIVE')
    expect(message).to.contain(PLATFORM).and.to.contain('linux-x64 (glibc)').and.to.contain('optional dependencies')
  })

  it('says why it does not load when it is there but broken', async () => {
    const { code, message } = await failure(load(install({ 'main.node': 'no library' })))
    expect(code).to.equal('ERR_NATIVE')
    expect(message).to.contain('main.node').and.to.contain('install it again')
  })

  it('is not taken for what it is not', async () => {
    const { code, message } = await failure(() => Promise.resolve({}))
    expect(code).to.equal('ERR_NATIVE')
    expect(message).to.contain('another library')
  })

  for (const [what, files] of [
    ['missing', {}],
    ['broken', { 'main.node': 'no library' }]
  ] as const) {
    it(`stops the start of a node, by its own name, when it is ${what}`, async () => {
      const url = install(files)
      const hooks = `export const resolve = (name, context, next) =>
        name === '${SPECIFIER}' ? { url: '${url}', shortCircuit: true } : next(name, context)`
      const program = `
        import { register } from 'node:module'
        register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hooks)}))
        const { createNode } = await import('peerloom')
        const error = await createNode({ host: '127.0.0.1' }).then(() => undefined, (error) => error)
        const { plugin, error: cause } = error.outcomes.find(({ outcome }) => outcome === 'failed')
        console.log(JSON.stringify([error.code, plugin, cause.code]))`
      const { stdout } = await run(process.execPath, ['--input-type=module', '--no-warnings', '-e', program])
      expect(JSON.parse(stdout)).to.deep.equal(['ERR_START', 'quic-transport', 'ERR_NATIVE'])
    }).timeout(20_000)
  }
})
