import { createRequire } from 'node:module'
import type * as Tsyringe from 'tsyringe'

const require = createRequire(import.meta.url)

/**
 * tsyringe, with the polyfill that it asks for. Loaded when a class plugin or a container is first made, since most
 * nodes have neither; at once and not by `import()`, since decorators cannot wait.
 */
export function tsyringe(): typeof Tsyringe {
  require('reflect-metadata')
  return require('tsyringe') as typeof Tsyringe
}
