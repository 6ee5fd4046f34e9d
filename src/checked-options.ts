import { KernelError } from './kernel/index.js'

type Check = (value: unknown) => string | undefined

const list: Check = (value) => (Array.isArray(value) ? undefined : 'expected a list')

/** Anything with these methods; it may be made by another copy of its package. */
function withMethods(...names: string[]): Check {
  return (value) => {
    const isThing = (typeof value === 'object' && value !== null) || typeof value === 'function'
    return isThing && names.every((name) => typeof (value as Record<string, unknown>)[name] === 'function')
      ? undefined
      : `expected something with the methods ${names.join(', ')}`
  }
}

/** Checked by the plugin that it configures. */
const later: Check = () => undefined

const checks = new Map<string, Check>(
  Object.entries({
    plugins: list,
    seeds: list,
    // An empty one would be the working directory.
    directory: (value) => (typeof value === 'string' && value !== '' ? undefined : 'expected the name of a directory'),
    keyFile: later,
    host: later,
    port: later,
    announce: list,
    container: withMethods('isRegistered', 'resolve'),
    log: withMethods('debug', 'info', 'warn', 'error'),
    clock: withMethods('now', 'monotonic', 'setTimeout', 'hold'),
    random: withMethods('float', 'int', 'bytes'),
    signal: withMethods('addEventListener', 'removeEventListener')
  })
)

/**
 * Refuses options of a node that callers without types may hand over: misspelt ones, and those whose shape is another.
 * Throws `ERR_CONFIG`, with all of them.
 */
export function checkOptions(options: unknown): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new KernelError('ERR_CONFIG', 'the options of a node are an object')
  }
  const problems = Object.entries(options).flatMap(([name, value]) => {
    const check = checks.get(name)
    if (check === undefined) return [`${JSON.stringify(name)} is none`]
    const problem = value === undefined ? undefined : check(value)
    return problem === undefined ? [] : [`${name}: ${problem}`]
  })
  if (problems.length === 0) return
  throw new KernelError('ERR_CONFIG', `bad options of a node:${problems.map((problem) => `\n  - ${problem}`).join('')}`)
}
