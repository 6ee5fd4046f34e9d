import type { StandardSchemaV1 } from '@standard-schema/spec'
import { withDeadline, type Clock } from './clock.js'
import { DeadlineError, KernelError, messageOf } from './errors.js'
import type { Plugin } from './plugin.js'

// What valibot says of keys, since it is hard to understand.
const UNKNOWN_KEY = /^Invalid key: Expected never but received/
const MISSING_KEY = /^Invalid key: Expected "[^"]*" but received undefined$/

/**
 * Checks every plugin's configuration against its schema before anything starts. A check that takes its time must be
 * done within the plugin's `startTimeout`. Throws one `ERR_CONFIG` that names plugin, path and expectation of every bad
 * value, or the reason of the first signal that is aborted.
 */
export async function checkConfigurations(
  plugins: readonly Plugin[],
  clock: Clock,
  signals: readonly (AbortSignal | undefined)[]
): Promise<Map<Plugin, unknown>> {
  const configurations = new Map<Plugin, unknown>()
  const problems: string[] = []
  for (const plugin of plugins) {
    if (plugin.schema === undefined) {
      if (plugin.config !== undefined) problems.push(`${plugin.name}: takes no configuration`)
      continue
    }
    try {
      // A plugin that was given nothing gets its schema's defaults.
      let result = plugin.schema['~standard'].validate(plugin.config ?? {})
      if (result instanceof Promise) result = await inTime(plugin, result, clock, signals)
      if (result.issues === undefined) configurations.set(plugin, result.value)
      else for (const issue of result.issues) problems.push(`${plugin.name}: ${textOf(issue)}`)
    } catch (error) {
      if (signals.some((signal) => signal?.aborted === true)) throw error
      problems.push(`${plugin.name}: ${messageOf(error)}`)
    }
  }
  if (problems.length > 0) {
    throw new KernelError('ERR_CONFIG', `bad configuration:\n${problems.map((p) => `  - ${p}`).join('\n')}`)
  }
  return configurations
}

function inTime<T>(
  { startTimeout }: Plugin,
  result: Promise<T>,
  clock: Clock,
  signals: readonly (AbortSignal | undefined)[]
): Promise<T> {
  return withDeadline(clock, startTimeout, () => result, {
    signal: AbortSignal.any(signals.filter((signal) => signal !== undefined)),
    makeError: () => new DeadlineError(`its configuration was not checked within ${String(startTimeout)} ms`)
  })
}

function textOf({ path = [], message }: StandardSchemaV1.Issue): string {
  const text = message.replace(UNKNOWN_KEY, 'no such option:').replace(MISSING_KEY, 'expected a value, got none')
  if (path.length === 0) return text
  return `${path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.')}: ${text}`
}
