import type { Plugin, Token } from '../../kernel/index.js'

/**
 * A plugin that does what the given one does, and what that one provides as it provides it: before the kernel makes a
 * view of it for each consumer. For tests that make such views themselves.
 */
export function exposing<T>(plugin: Plugin, token: Token<T>): { readonly plugin: Plugin; implementation(): T } {
  const name = Object.keys(plugin.provides).find((each) => plugin.provides[each] === token)
  let implementation: T | undefined
  return {
    plugin: {
      ...plugin,
      launch: async (dependencies, context) => {
        const launched = await plugin.launch(dependencies, context)
        implementation = (launched.provided as Record<string, T>)[name ?? '']
        return launched
      }
    },
    implementation() {
      if (implementation === undefined) throw new Error(`plugin ${plugin.name} has not provided this`)
      return implementation
    }
  }
}
