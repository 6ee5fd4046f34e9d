import { expect } from 'chai'
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import ts from 'typescript'
import { errorCodes } from '#src/kernel/index.js'

const DOCUMENTS = ['README.md', 'CHANGELOG.md', ...readdirSync('docs').map((name) => `docs/${name}`)].filter((name) =>
  name.endsWith('.md')
)

const run = promisify(execFile)

/** The TypeScript blocks of all documents, as files that do not exist on disk. */
function snippets(): Map<string, string> {
  const found = new Map<string, string>()
  for (const document of DOCUMENTS) {
    const blocks = readFileSync(document, 'utf8').matchAll(/^```ts(?: ([\w.]+)\.ts)?\n(.*?)^```$/gms)
    for (const [i, [, name, code]] of [...blocks].entries()) {
      // Beside the tests, so that the types of mocha and the package itself resolve.
      found.set(resolve('test', `${name ?? `${document.replace(/\W/g, '-')}-${i + 1}`}.ts`), `${code}\nexport {}\n`)
    }
  }
  return found
}

function typeCheck(files: ReadonlyMap<string, string>): string[] {
  const config = ts.getParsedCommandLineOfConfigFile(
    'test/tsconfig.json',
    { noEmit: true, composite: false, noUnusedLocals: false },
    {
      ...ts.sys,
      onUnRecoverableConfigFileDiagnostic: (problem) =>
        expect.fail(ts.flattenDiagnosticMessageText(problem.messageText, '\n'))
    }
  )
  const host = ts.createCompilerHost(config!.options)
  const original = { ...host }
  host.fileExists = (name) => files.has(name) || original.fileExists(name)
  host.readFile = (name) => files.get(name) ?? original.readFile(name)
  host.getSourceFile = (name, ...rest) => {
    const text = files.get(name)
    return text === undefined
      ? original.getSourceFile(name, ...rest)
      : ts.createSourceFile(name, text, ts.ScriptTarget.ES2022)
  }
  const program = ts.createProgram({ rootNames: [...files.keys()], options: config!.options, host })
  return ts.getPreEmitDiagnostics(program).map((problem) => {
    const { file, start = 0 } = problem
    const line = file === undefined ? 0 : file.getLineAndCharacterOfPosition(start).line + 1
    return `${file?.fileName ?? ''}:${line} ${ts.flattenDiagnosticMessageText(problem.messageText, '\n')}`
  })
}

describe('the documents', () => {
  it('have examples that compile', () => {
    const files = snippets()
    expect(files.size).to.be.greaterThan(5)
    expect(typeCheck(files)).to.deep.equal([])
    const broken = new Map([
      [resolve('test', 'broken.ts'), `import { createNode } from 'peerloom'\ncreateNode({ port: 'x' })\n`]
    ])
    expect(typeCheck(broken).join()).to.contain('not assignable')
  }).timeout(60_000)

  it('have README examples that run and print what they say', async () => {
    const folder = mkdtempSync(resolve('build', 'readme-'))
    try {
      const examples = [...snippets()].filter(([name]) => name.includes('README'))
      expect(examples.length).to.be.greaterThan(2)
      for (const [name, code] of examples) {
        const file = join(folder, `${basename(name, '.ts')}.mjs`)
        const { outputText } = ts.transpileModule(code, {
          compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext }
        })
        writeFileSync(file, outputText)
        const { stdout } = await run(process.execPath, [file], { timeout: 20_000 })
        const said = [...code.matchAll(/console\.log\(.*\) \/\/ (.*)$/gm)].map(([, line]) => line)
        expect(said, name).not.to.deep.equal([])
        expect(stdout.split('\n'), name).to.include.members(said)
      }
    } finally {
      rmSync(folder, { recursive: true })
    }
  }).timeout(60_000)

  it('have a tutorial whose plugin passes its own test', async () => {
    const folder = mkdtempSync(resolve('build', 'tutorial-'))
    try {
      const text = readFileSync('docs/writing-a-plugin.md', 'utf8')
      const files = [...text.matchAll(/^```(?:ts|json) (\S+)\n(.*?)^```$/gms)]
      expect(files.map(([, name]) => name)).to.deep.equal(['tsconfig.json', 'guestbook.ts', 'guestbook.test.ts'])
      for (const [, name, content] of files) writeFileSync(join(folder, name!), content!)
      const { resolve: find } = createRequire(import.meta.url)
      await run(process.execPath, [find('typescript/lib/tsc.js'), '-p', folder])
      const mocha = find('mocha/bin/mocha.js')
      const spec = join(folder, 'guestbook.test.js')
      // In a project that has installed the package it is `--require peerloom/testkit/mocha`.
      const hooks = resolve('dist/testkit/mocha.js')
      const args = ['--no-config', '--require', hooks, '--reporter', 'json', spec]
      const { stdout } = await run(process.execPath, [mocha, ...args], { timeout: 30_000 })
      const { stats } = JSON.parse(stdout) as { stats: { passes: number; failures: number } }
      expect(stats).to.include({ passes: 2, failures: 0 })
    } finally {
      rmSync(folder, { recursive: true })
    }
  }).timeout(60_000)

  it('link only to files that exist', () => {
    const missing = DOCUMENTS.flatMap((document) =>
      [...readFileSync(document, 'utf8').matchAll(/\]\((?!https?:)([^)#]+)/g)]
        .map(([, target]) => target!)
        .filter((target) => !existsSync(join(dirname(document), target)))
        .map((target) => `${document}: ${target}`)
    )
    expect(missing).to.deep.equal([])
  })

  it('list every error code with its meaning', () => {
    const text = readFileSync('docs/architecture.md', 'utf8')
    const listed = [...text.matchAll(/^\| `(ERR_\w+)` +\| (.*?) +\|$/gm)].map(([, code, meaning]) => [code, meaning])
    expect(Object.fromEntries(listed)).to.deep.equal(errorCodes)
  })

  it('list every package that is installed for users', () => {
    const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      dependencies: Record<string, string>
    }
    const text = readFileSync('docs/dependencies.md', 'utf8')
    const listed = [...text.matchAll(/^\| `([^`]+)`/gm)].map(([, name]) => name)
    expect(listed).to.include.members(Object.keys(dependencies))
  })
})
