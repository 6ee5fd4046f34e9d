import { posix } from 'node:path'
import ts from 'typescript'

/** Files by their path from the root of the project. */
export type Sources = ReadonlyMap<string, string>

const CLOCKS = new Set(['src/kernel/clock.ts', 'src/kernel/random.ts'])
const FORBIDDEN_NAMES = new Set(['setTimeout', 'setInterval', 'performance'])
const FORBIDDEN_MEMBERS = new Set(['Date.now', 'performance.now', 'AbortSignal.timeout', 'Math.random'])
/** RxJS operators that tell time, and how many arguments they take before a scheduler. */
const TIMED = new Map([
  ['timer', 1],
  ['interval', 1],
  ['delay', 1],
  ['debounceTime', 1],
  ['throttleTime', 1],
  ['auditTime', 1],
  ['sampleTime', 1],
  ['bufferTime', 1],
  ['timeout', 1],
  ['timestamp', 0],
  ['timeInterval', 0]
])
/** Packages that only one plugin may import, through one file. */
const ADAPTERS: Record<string, string> = {
  '@matrixai/quic': 'src/plugins/quic-transport/',
  '@matrixai/rpc': 'src/plugins/rpc/'
}
const OUTSIDE = ['src/cli/', 'examples/', 'bench/', 'sim/', 'lab/']

/** The part of the house that a file belongs to: `model`, `kernel`, `plugins/udp`, `cli`, … */
function roomOf(file: string): string {
  const [top, second, third] = file.split('/')
  if (top !== 'src') return top ?? ''
  if (second === 'plugins') return `plugins/${third ?? ''}`
  return second ?? ''
}

const mayImport: Record<string, (room: string) => boolean> = {
  model: () => false,
  kernel: (room) => room === 'model',
  plugins: (room) => room === 'kernel' || room === 'model',
  testkit: (room) => ['kernel', 'model', 'node.ts'].includes(room) || room.startsWith('plugins/'),
  cli: (room) => room === 'index.ts'
}

/** Every place where a wall of the house is crossed, as `file: what`. */
export function crossings(sources: Sources): string[] {
  const found: string[] = []
  const adapters = new Map<string, Set<string>>()
  for (const [file, text] of sources) {
    const say = (what: string): void => void found.push(`${file}: ${what}`)
    const tree = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true)
    for (const { fileName } of ts.preProcessFile(text, true, true).importedFiles) {
      if (fileName.startsWith('.')) checkOwn(file, fileName, say)
      else checkPackage(file, fileName, say, adapters)
    }
    if (file.startsWith('src/') && !CLOCKS.has(file)) checkTime(tree, say)
  }
  for (const [name, files] of adapters) {
    if (files.size > 1) found.push(`${[...files].join(', ')}: ${name} is imported in more than one file`)
  }
  return found
}

function checkOwn(file: string, specifier: string, say: (what: string) => void): void {
  const target = posix.join(posix.dirname(file), specifier).replace(/\.js$/, '.ts')
  const from = roomOf(file)
  const to = roomOf(target)
  if (from === to) return
  if (file.startsWith('examples/') || file.startsWith('test/')) {
    if (target.startsWith('src/')) say(`imports ${target} instead of the package`)
    return
  }
  const rule = mayImport[from.split('/')[0] ?? '']
  if (rule !== undefined && !rule(to)) say(`${from} imports ${to}`)
}

function checkPackage(
  file: string,
  specifier: string,
  say: (what: string) => void,
  adapters: Map<string, Set<string>>
): void {
  if (specifier.startsWith('#') && !file.startsWith('test/')) say(`imports ${specifier}`)
  if (
    specifier.startsWith('peerloom') &&
    !OUTSIDE.some((outside) => file.startsWith(outside)) &&
    !file.startsWith('test/')
  ) {
    say('imports its own package')
  }
  for (const [name, home] of Object.entries(ADAPTERS)) {
    if (specifier !== name && !specifier.startsWith(`${name}/`)) continue
    if (file.startsWith('test/') || file.startsWith('bench/')) continue
    if (!file.startsWith(home)) say(`imports ${name}, which belongs to ${home}`)
    else adapters.set(name, (adapters.get(name) ?? new Set()).add(file))
  }
}

/** Time and chance are injected. */
function checkTime(tree: ts.SourceFile, say: (what: string) => void): void {
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && ts.isIdentifier(node.expression)) {
      const name = node.expression.text
      const before = TIMED.get(name)
      if (FORBIDDEN_NAMES.has(name)) say(`calls ${name}; use the clock`)
      if (before !== undefined && importedFromRxjs(tree, name) && !mentionsScheduler(node))
        say(`calls ${name} without a scheduler`)
    }
    if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression)) {
      const name = `${node.expression.text}.${node.name.text}`
      if (FORBIDDEN_MEMBERS.has(name)) say(`uses ${name}; use the clock or the random source`)
      if (node.expression.text === 'globalThis' && FORBIDDEN_NAMES.has(node.name.text))
        say(`uses ${name}; use the clock`)
    }
    if (ts.isNewExpression(node) && node.expression.getText() === 'Date' && (node.arguments?.length ?? 0) === 0) {
      say('uses new Date(); use the clock')
    }
    ts.forEachChild(node, visit)
  }
  visit(tree)
}

function importedFromRxjs(tree: ts.SourceFile, name: string): boolean {
  return tree.statements.some(
    (statement) =>
      ts.isImportDeclaration(statement) &&
      (statement.moduleSpecifier as ts.StringLiteral).text === 'rxjs' &&
      new RegExp(`\\b${name}\\b`).test(statement.importClause?.getText() ?? '')
  )
}

function mentionsScheduler(call: ts.CallExpression): boolean {
  return call.arguments.some((argument) => /scheduler/i.test(argument.getText()))
}
