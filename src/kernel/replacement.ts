import { KernelError } from './errors.js'
import type { Plugin } from './plugin.js'
import { isMulti } from './token.js'

/**
 * The plugins after some have taken the place of others. A new one takes the place of the plugin of its name or,
 * failing that, of those that provide a contract which it provides and which only one may. Throws `ERR_GRAPH` for one
 * that takes the place of none.
 */
export function replaceIn(present: readonly Plugin[], incoming: readonly Plugin[]): Plugin[] {
  let plugins = [...present]
  for (const plugin of incoming) {
    const former = formerOf(plugin, present)
    if (former.size === 0) {
      throw new KernelError(
        'ERR_GRAPH',
        `there is nothing for ${plugin.name} to replace: no plugin has its name${also(plugin)}`
      )
    }
    // A plugin may be replaced by itself, which restarts it; it must be told apart from the former then.
    const successor = former.has(plugin) ? Object.freeze({ ...plugin }) : plugin
    const at = plugins.findIndex((other) => former.has(other))
    plugins = plugins.flatMap((other, i) => (i === at ? [successor] : former.has(other) ? [] : [other]))
    // Another incoming one has taken the whole place already.
    if (at < 0) plugins.push(successor)
  }
  return plugins
}

function formerOf(plugin: Plugin, present: readonly Plugin[]): Set<Plugin> {
  const namesake = present.filter(({ name }) => name === plugin.name)
  if (namesake.length > 0) return new Set(namesake)
  const contracts = new Set(Object.values(plugin.provides).filter((token) => !isMulti(token)))
  return new Set(present.filter(({ provides }) => Object.values(provides).some((token) => contracts.has(token))))
}

function also({ provides }: Plugin): string {
  return Object.keys(provides).length === 0 ? '' : ', and none provides what it does'
}
