import type { GivenContracts } from './given.js'
import type { KernelState } from './kernel.js'
import type { Plugin } from './plugin.js'
import type { Registration } from './scope.js'
import type { Session } from './session.js'
import { tokenName, type AnyToken } from './token.js'

/** What a plugin is doing. `idle`: it has not begun, or is stopped. `failed`: its last start failed. */
export type PluginState = 'idle' | 'starting' | 'started' | 'stopping' | 'failed'

/** One contract that a plugin uses. */
export interface DependencyDescription {
  /** The contract as people write it, such as `Transport@1`. */
  readonly contract: string
  readonly optional: boolean
  /** Names of the plugins that provide it; `kernel` for the kernel's own contracts, `host` for what it was handed. */
  readonly providers: readonly string[]
}

/** One plugin in a {@link KernelDescription}. */
export interface PluginDescription {
  readonly name: string
  readonly version?: string
  readonly state: PluginState
  /** Milliseconds from the beginning of the kernel's start to that of this plugin. */
  readonly begunMs?: number
  /** Milliseconds that its start took. */
  readonly startMs?: number
  readonly uses: readonly DependencyDescription[]
  /** Contracts that it provides, such as `Transport@1`. */
  readonly provides: readonly string[]
  /** What it has registered and not taken back: clean-ups, timers, RPC methods, subscriptions. */
  readonly registrations: readonly Registration[]
}

/** A kernel as plain data, fit for JSON: see `kernel.describe()`. */
export interface KernelDescription {
  readonly state: KernelState
  /** Milliseconds that the last start took, once it is over. */
  readonly startMs?: number
  /** Every plugin after all that it depends on. */
  readonly plugins: readonly PluginDescription[]
}

/** The plugins of a description, from whatever is known of them. */
export function describeKernel(
  plugins: readonly Plugin[],
  given: GivenContracts,
  session: Session | undefined
): PluginDescription[] {
  const providers = new Map<AnyToken, string[]>()
  for (const { name, provides } of plugins) {
    for (const token of Object.values(provides)) providers.set(token, [...(providers.get(token) ?? []), name])
  }
  const usesOf = (tokens: Plugin['needs'], optional: boolean): DependencyDescription[] =>
    Object.values(tokens).map((token) => ({
      contract: tokenName(token),
      optional,
      providers: providers.get(token) ?? (given.isOwn(token) ? ['kernel'] : given.has(token) ? ['host'] : [])
    }))
  const known = new Set(plugins)
  const inOrder = session?.graph.order.every((plugin) => known.has(plugin)) === true ? session.graph.order : plugins
  return inOrder.map((plugin) => {
    const { name, version, needs, optional, provides } = plugin
    const running = session?.running(plugin)
    return {
      name,
      ...(version === undefined ? {} : { version }),
      state: session?.stateOf(plugin) ?? 'idle',
      ...(running === undefined ? {} : { begunMs: running.begun - (session?.begun ?? 0) }),
      ...(running?.startMs === undefined ? {} : { startMs: running.startMs }),
      uses: [...usesOf(needs, false), ...usesOf(optional, true)],
      provides: Object.values(provides).map(tokenName),
      registrations: running?.scope.registrations ?? []
    }
  })
}

/**
 * A description as a tree to print: each plugin stands beneath the one that it waited for longest, so the way from the
 * top to the plugin that ended last is what the start's time was spent on.
 *
 * @example
 * console.log(printTree(node.kernel.describe()))
 */
export function printTree({ state, startMs, plugins }: KernelDescription): string {
  const byName = new Map(plugins.map((plugin) => [plugin.name, plugin]))
  const children = new Map<string | undefined, PluginDescription[]>()
  for (const plugin of plugins) {
    const parent = waitedFor(plugin, byName)?.name
    const siblings = children.get(parent)
    if (siblings === undefined) children.set(parent, [plugin])
    else siblings.push(plugin)
  }
  const lines = [`kernel ${state}${startMs === undefined ? '' : ` in ${inMs(startMs)}`}`]
  // A stack, not recursion: plugins may form a chain of thousands.
  const open: { plugin: PluginDescription; indent: string; last: boolean }[] = []
  const push = (parent: string | undefined, indent: string): void => {
    const below = children.get(parent) ?? []
    open.push(...below.map((plugin, i) => ({ plugin, indent, last: i === below.length - 1 })).reverse())
  }
  const left = new Set(plugins)
  const drain = (): void => {
    for (let top = open.pop(); top !== undefined; top = open.pop()) {
      const { plugin, indent, last } = top
      if (!left.delete(plugin)) continue
      lines.push(`${indent}${last ? '└─' : '├─'} ${lineOf(plugin)}`)
      push(plugin.name, `${indent}${last ? '   ' : '│  '}`)
    }
  }
  push(undefined, '')
  drain()
  // Those that wait for each other, in a kernel that cannot start, stand beneath none.
  for (const plugin of left) {
    open.push({ plugin, indent: '', last: true })
    drain()
  }
  return lines.join('\n')
}

/** The provider that ended its start last: the one that held this plugin up. */
function waitedFor(
  { uses }: PluginDescription,
  byName: ReadonlyMap<string, PluginDescription>
): PluginDescription | undefined {
  const end = ({ begunMs = 0, startMs = 0 }: PluginDescription): number => begunMs + startMs
  let latest: PluginDescription | undefined
  for (const name of uses.flatMap(({ providers }) => providers)) {
    const provider = byName.get(name)
    if (provider !== undefined && (latest === undefined || end(provider) > end(latest))) latest = provider
  }
  return latest
}

function lineOf({ name, version, state, startMs, provides, registrations }: PluginDescription): string {
  const parts = [
    version === undefined ? name : `${name}@${version}`,
    state === 'started' && startMs !== undefined ? inMs(startMs) : state,
    ...(provides.length === 0 ? [] : [`provides ${provides.join(', ')}`]),
    ...(registrations.length === 0 ? [] : [registrations.map(counted).join(', ')])
  ]
  return parts.join(' · ')
}

function counted({ what, count }: Registration): string {
  return count === 1 ? what : `${what} ×${String(count)}`
}

function inMs(ms: number): string {
  return `${ms < 10 ? ms.toFixed(1) : ms.toFixed(0)} ms`
}

/** A description as a Mermaid graph: arrows go from a plugin to those it uses; dotted ones are optional. */
export function toMermaid({ plugins }: KernelDescription): string {
  const ids = new Map(plugins.map(({ name }, i) => [name, `p${String(i)}`]))
  const lines = plugins.flatMap((plugin) => {
    const id = ids.get(plugin.name) as string
    const edges = plugin.uses.flatMap(({ contract, optional, providers }) =>
      providers
        .filter((provider) => ids.has(provider))
        .map((provider) => `  ${id} ${optional ? '-.->' : '-->'}|"${contract}"| ${ids.get(provider) as string}`)
    )
    return [`  ${id}["${plugin.name}"]`, ...edges]
  })
  return ['graph TD', ...lines].join('\n')
}
