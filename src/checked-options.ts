import { z } from 'zod'
import { KernelError } from './kernel/index.js'

/** Anything with these methods; whoever made it may have made it with another copy of a package. */
function withMethods(...names: string[]): z.ZodType {
  const fits = (value: unknown): boolean =>
    ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
    names.every((name) => typeof (value as Record<string, unknown>)[name] === 'function')
  return z.custom<unknown>(fits, `expected something with the methods ${names.join(', ')}`).optional()
}

const list = z.array(z.unknown()).optional()
/** What the plugin that it configures checks. */
const anything = z.unknown().optional()
/** An empty one would be the working directory. */
const directory = z.string().min(1, 'expected the name of a directory').optional()

const shape = z.strictObject({
  plugins: list,
  seeds: list,
  directory,
  keyFile: anything,
  host: anything,
  port: anything,
  announce: list,
  container: withMethods('isRegistered', 'resolve'),
  log: withMethods('debug', 'info', 'warn', 'error'),
  clock: withMethods('now', 'monotonic', 'setTimeout', 'hold'),
  random: withMethods('float', 'int', 'bytes'),
  signal: withMethods('addEventListener', 'removeEventListener')
})

/**
 * Refuses options of a node that callers without types may hand over: misspelt ones, and those whose shape is another.
 * Throws `ERR_CONFIG`, with all of them.
 */
export function checkOptions(options: unknown): void {
  const { error } = shape.safeParse(options)
  if (error === undefined) return
  const problems = error.issues.map(({ path, message }) => `\n  - ${[...path.map(String), message].join(': ')}`)
  throw new KernelError('ERR_CONFIG', `bad options of a node:${problems.join('')}`)
}
