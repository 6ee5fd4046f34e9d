import type { StandardSchemaV1 } from '@standard-schema/spec'
import { KernelError } from './errors.js'
import type { Plugin } from './plugin.js'

// What valibot says of keys, since it is hard to understand.
const UNKNOWN_KEY = /^Invalid key: Expected never but received/
const MISSING_KEY = /^Invalid key: Expected "[^"]*" but received undefined$/

/**
 * Checks every plugin's configuration against its schema before anything starts.
 * Throws one `ERR_CONFIG` that names plugin, path and expectation of every bad value.
 */
export async function checkConfigurations(plugins: readonly Plugin[]): Promise<Map<Plugin, unknown>> {
  const configurations = new Map<Plugin, unknown>()
  const problems: string[] = []
  for (const plugin of plugins) {
    if (plugin.schema === undefined) {
      if (plugin.config !== undefined) problems.push(`${plugin.name}: takes no configuration`)
      continue
    }
    // A plugin that was given nothing gets its schema's defaults.
    let result = plugin.schema['~standard'].validate(plugin.config ?? {})
    if (result instanceof Promise) result = await result
    if (result.issues === undefined) configurations.set(plugin, result.value)
    else for (const issue of result.issues) problems.push(`${plugin.name}: ${textOf(issue)}`)
  }
  if (problems.length > 0) {
    throw new KernelError('ERR_CONFIG', `bad configuration:\n${problems.map((p) => `  - ${p}`).join('\n')}`)
  }
  return configurations
}

function textOf({ path = [], message }: StandardSchemaV1.Issue): string {
  const text = message.replace(UNKNOWN_KEY, 'no such option:').replace(MISSING_KEY, 'expected a value, got none')
  if (path.length === 0) return text
  return `${path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.')}: ${text}`
}
