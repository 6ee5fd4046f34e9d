import { KernelError } from './errors.js'
import type { Plugin } from './plugin.js'
import { describeToken, isMulti, tokenName, type AnyToken } from './token.js'

type Edges = ReadonlyMap<Plugin, ReadonlySet<Plugin>>

/** The plugins of a kernel and who waits for whom. */
export interface Graph {
  /** Every plugin after all that it depends on; among equals, in the order of registration. */
  readonly order: readonly Plugin[]
  /** The plugins that each plugin depends on directly. */
  readonly dependencies: Edges
  /** The plugins that depend on each plugin directly. */
  readonly dependents: Edges
  /** Which plugins provide a contract: one, or any number if the contract allows that. */
  readonly providers: ReadonlyMap<AnyToken, readonly Plugin[]>
}

/** Contracts that no plugin has to provide: the kernel's own, and those that its host hands in. */
export interface Given {
  /** The kernel fulfils it itself, and no plugin may. */
  isOwn(token: AnyToken): boolean
  /** There is a fulfilment in case no plugin provides one. */
  has(token: AnyToken): boolean
}

/** As many plugins as one can follow in a message. */
const MAX_PATH = 6

const nothingGiven: Given = { isOwn: () => false, has: () => false }

/**
 * Puts plugins in order. Throws one `ERR_GRAPH` that lists every missing, duplicate, mismatched and cyclic edge.
 */
export function buildGraph(plugins: readonly Plugin[], given: Given = nothingGiven): Graph {
  const problems: string[] = []
  const providers = findProviders(plugins, given, problems)
  const dependencies = new Map<Plugin, Set<Plugin>>()
  const dependents = new Map<Plugin, Set<Plugin>>(plugins.map((plugin) => [plugin, new Set()]))
  const missing: [Plugin, AnyToken][] = []
  for (const plugin of plugins) {
    const found = new Set<Plugin>()
    for (const wanted of new Set([...Object.values(plugin.needs), ...Object.values(plugin.optional)])) {
      for (const provider of providers.get(wanted) ?? []) {
        found.add(provider)
        dependents.get(provider)?.add(plugin)
      }
    }
    for (const wanted of new Set(Object.values(plugin.needs))) {
      if (!providers.has(wanted) && !given.has(wanted)) missing.push([plugin, wanted])
    }
    dependencies.set(plugin, found)
  }
  if (missing.length > 0) {
    const alike = new Map([...providers.keys()].map((token) => [describeToken(token).contract, token]))
    for (const [plugin, wanted] of missing) {
      const other = alike.get(describeToken(wanted).contract)
      problems.push(explainMissing(plugin, wanted, other, providers, dependents))
    }
  }
  const { order, cyclic } = sort(plugins, dependencies)
  if (cyclic) for (const cycle of findCycles(plugins, dependencies)) problems.push(`cycle: ${pathOf(cycle)}`)
  if (problems.length > 0) {
    throw new KernelError(
      'ERR_GRAPH',
      `the plugins do not fit together:\n${problems.map((p) => `  - ${p}`).join('\n')}`
    )
  }
  return { order, dependencies, dependents, providers }
}

/** These nodes and all that can be reached from them. */
export function reach<N>(from: Iterable<N>, next: (node: N) => Iterable<N>): Set<N> {
  const reached = new Set(from)
  // A set hands out what is added to it while it is walked.
  for (const node of reached) for (const other of next(node)) reached.add(other)
  return reached
}

function pathOf(plugins: readonly Plugin[]): string {
  return plugins.map(({ name }) => name).join(' → ')
}

function findProviders(plugins: readonly Plugin[], given: Given, problems: string[]): Map<AnyToken, Plugin[]> {
  const providers = new Map<AnyToken, Plugin[]>()
  const names = new Set<string>()
  for (const plugin of plugins) {
    if (names.has(plugin.name)) problems.push(`two plugins are named ${plugin.name}`)
    names.add(plugin.name)
    for (const provided of new Set(Object.values(plugin.provides))) {
      const others = providers.get(provided)
      const rival = given.isOwn(provided) ? 'the kernel' : isMulti(provided) ? undefined : others?.[0]?.name
      if (rival !== undefined) problems.push(`${tokenName(provided)} is provided by ${rival} and by ${plugin.name}`)
      else if (others === undefined) providers.set(provided, [plugin])
      else others.push(plugin)
    }
  }
  return providers
}

/** `other` is a token of the same contract that somebody provides, in another version. */
function explainMissing(
  plugin: Plugin,
  wanted: AnyToken,
  other: AnyToken | undefined,
  providers: ReadonlyMap<AnyToken, readonly Plugin[]>,
  dependents: Edges
): string {
  const needs = `${pathOf(pathTo(plugin, dependents))} needs ${tokenName(wanted)}`
  if (other === undefined) return `${needs}, which no plugin provides`
  return `${needs}, but ${providers.get(other)?.[0]?.name ?? ''} provides ${tokenName(other)}`
}

/** How one comes to a plugin from those that depend on it: it says why the plugin is wanted at all. */
function pathTo(plugin: Plugin, dependents: Edges): Plugin[] {
  const path = [plugin]
  while (path.length < MAX_PATH) {
    const next = [...(dependents.get(path[0] as Plugin) ?? [])].find((dependent) => !path.includes(dependent))
    if (next === undefined) break
    path.unshift(next)
  }
  return path
}

/** Depth-first topological sort. Where there are cycles, the order is of no use but complete. */
function sort(plugins: readonly Plugin[], dependencies: Edges): { order: Plugin[]; cyclic: boolean } {
  const order: Plugin[] = []
  let cyclic = false
  const done = new Set<Plugin>()
  for (const root of plugins) {
    // An explicit stack: a chain of thousands of plugins must not overflow the call stack.
    const path: { plugin: Plugin; rest: Iterator<Plugin> }[] = []
    const onPath = new Set<Plugin>()
    const enter = (plugin: Plugin): void => {
      path.push({ plugin, rest: (dependencies.get(plugin) ?? new Set<Plugin>()).values() })
      onPath.add(plugin)
    }
    if (!done.has(root)) enter(root)
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const next = top.rest.next()
      if (next.done === true) {
        path.pop()
        onPath.delete(top.plugin)
        done.add(top.plugin)
        order.push(top.plugin)
      } else if (onPath.has(next.value)) cyclic = true
      else if (!done.has(next.value)) enter(next.value)
    }
  }
  return { order, cyclic }
}

/** Cycles that together contain every edge that lies on any cycle, each closed by its first plugin. */
function findCycles(plugins: readonly Plugin[], dependencies: Edges): Plugin[][] {
  const cycles: Plugin[][] = []
  const told = new Map<Plugin, Set<Plugin>>()
  const candidates = onCycles(plugins, dependencies)
  for (const from of candidates.keys()) {
    for (const to of candidates.get(from) ?? []) {
      if (told.get(from)?.has(to) === true) continue
      const back = shortestPath(to, from, candidates)
      if (back === undefined) continue
      const cycle = [from, ...back]
      cycles.push(cycle)
      cycle.slice(1).forEach((target, i) => {
        const source = cycle[i] as Plugin
        told.set(source, (told.get(source) ?? new Set()).add(target))
      })
    }
  }
  return cycles
}

/** The graph without what is on no cycle for sure: whatever leads nowhere, or is led to from nowhere, taken off in turn. */
function onCycles(plugins: readonly Plugin[], dependencies: Edges): Map<Plugin, Set<Plugin>> {
  const down = new Map(plugins.map((plugin) => [plugin, new Set(dependencies.get(plugin))]))
  const up = new Map(plugins.map((plugin) => [plugin, new Set<Plugin>()]))
  for (const [from, targets] of down) for (const to of targets) up.get(to)?.add(from)
  const trim = (edges: Map<Plugin, Set<Plugin>>, back: Map<Plugin, Set<Plugin>>): void => {
    const ends = plugins.filter((plugin) => edges.get(plugin)?.size === 0)
    for (const end of ends) {
      for (const from of back.get(end) ?? []) {
        edges.get(from)?.delete(end)
        if (edges.get(from)?.size === 0) ends.push(from)
      }
      edges.delete(end)
      back.delete(end)
    }
    for (const targets of back.values()) for (const to of targets) if (!edges.has(to)) targets.delete(to)
  }
  trim(down, up)
  trim(up, down)
  return down
}

function shortestPath(from: Plugin, to: Plugin, edges: Edges): Plugin[] | undefined {
  const cameFrom = new Map<Plugin, Plugin | undefined>([[from, undefined]])
  for (const [at] of cameFrom) {
    if (at === to) break
    for (const next of edges.get(at) ?? []) if (!cameFrom.has(next)) cameFrom.set(next, at)
  }
  if (!cameFrom.has(to)) return undefined
  const path: Plugin[] = []
  for (let at: Plugin | undefined = to; at !== undefined; at = cameFrom.get(at)) path.unshift(at)
  return path
}
