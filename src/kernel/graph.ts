import { KernelError } from './errors.js'
import type { Plugin } from './plugin.js'
import { describeToken, tokenName, type AnyToken } from './token.js'

/** The plugins of a kernel and who waits for whom. */
export interface Graph {
  /** Every plugin after all that it depends on; among equals, in the order of registration. */
  readonly order: readonly Plugin[]
  /** The plugins that each plugin depends on directly. */
  readonly dependencies: ReadonlyMap<Plugin, ReadonlySet<Plugin>>
  /** The plugins that depend on each plugin directly. */
  readonly dependents: ReadonlyMap<Plugin, ReadonlySet<Plugin>>
  /** Which plugin provides a contract. */
  readonly providers: ReadonlyMap<AnyToken, Plugin>
}

/**
 * Puts plugins in order. `builtIn` are contracts that the kernel fulfils itself.
 * Throws one `ERR_GRAPH` that lists every missing, duplicate, mismatched and cyclic edge.
 */
export function buildGraph(plugins: readonly Plugin[], builtIn: ReadonlySet<AnyToken> = new Set()): Graph {
  const problems: string[] = []
  const providers = findProviders(plugins, builtIn, problems)
  const dependencies = new Map<Plugin, Set<Plugin>>()
  const dependents = new Map<Plugin, Set<Plugin>>(plugins.map((plugin) => [plugin, new Set()]))
  for (const plugin of plugins) {
    const found = new Set<Plugin>()
    for (const [wanted, required] of edgesOf(plugin)) {
      const provider = providers.get(wanted)
      if (provider !== undefined) {
        found.add(provider)
        dependents.get(provider)?.add(plugin)
      } else if (required && !builtIn.has(wanted)) {
        problems.push(explainMissing(plugin, wanted, providers))
      }
    }
    dependencies.set(plugin, found)
  }
  const { order, cycles } = sort(plugins, dependencies)
  for (const cycle of cycles) problems.push(`cycle: ${[...cycle, cycle[0]].map((p) => p?.name).join(' → ')}`)
  if (problems.length > 0) {
    throw new KernelError(
      'ERR_GRAPH',
      `the plugins do not fit together:\n${problems.map((p) => `  - ${p}`).join('\n')}`
    )
  }
  return { order, dependencies, dependents, providers }
}

function edgesOf(plugin: Plugin): [AnyToken, boolean][] {
  return [
    ...Object.values(plugin.needs).map((token): [AnyToken, boolean] => [token, true]),
    ...Object.values(plugin.optional).map((token): [AnyToken, boolean] => [token, false])
  ]
}

function findProviders(
  plugins: readonly Plugin[],
  builtIn: ReadonlySet<AnyToken>,
  problems: string[]
): Map<AnyToken, Plugin> {
  const providers = new Map<AnyToken, Plugin>()
  const names = new Set<string>()
  for (const plugin of plugins) {
    if (names.has(plugin.name)) problems.push(`two plugins are named ${plugin.name}`)
    names.add(plugin.name)
    for (const provided of new Set(Object.values(plugin.provides))) {
      const other = providers.get(provided)?.name ?? (builtIn.has(provided) ? 'the kernel' : undefined)
      if (other === undefined) providers.set(provided, plugin)
      else problems.push(`${tokenName(provided)} is provided by ${other} and by ${plugin.name}`)
    }
  }
  return providers
}

function explainMissing(plugin: Plugin, wanted: AnyToken, providers: ReadonlyMap<AnyToken, Plugin>): string {
  const { contract } = describeToken(wanted)
  for (const [provided, provider] of providers) {
    if (describeToken(provided).contract === contract) {
      return `${plugin.name} needs ${tokenName(wanted)}, but ${provider.name} provides ${tokenName(provided)}`
    }
  }
  return `${plugin.name} needs ${tokenName(wanted)}, which no plugin provides`
}

/** Depth-first topological sort that goes on after a cycle, so that every independent cycle is found. */
function sort(
  plugins: readonly Plugin[],
  dependencies: ReadonlyMap<Plugin, ReadonlySet<Plugin>>
): { order: Plugin[]; cycles: Plugin[][] } {
  const order: Plugin[] = []
  const cycles: Plugin[][] = []
  const done = new Set<Plugin>()
  for (const root of plugins) {
    // An explicit stack: a chain of thousands of plugins must not overflow the call stack.
    const path: { plugin: Plugin; rest: Plugin[] }[] = []
    const onPath = new Set<Plugin>()
    const enter = (plugin: Plugin): void => {
      path.push({ plugin, rest: [...(dependencies.get(plugin) ?? [])].reverse() })
      onPath.add(plugin)
    }
    if (!done.has(root)) enter(root)
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const next = top.rest.pop()
      if (next === undefined) {
        path.pop()
        onPath.delete(top.plugin)
        done.add(top.plugin)
        order.push(top.plugin)
      } else if (onPath.has(next)) {
        cycles.push(path.slice(path.findIndex(({ plugin }) => plugin === next)).map(({ plugin }) => plugin))
      } else if (!done.has(next)) enter(next)
    }
  }
  return { order, cycles }
}
