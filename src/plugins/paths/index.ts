import { AbortError, Datagrams, definePlugin, Identity, Paths } from '../../kernel/index.js'
import { PathKeeper } from './keeper.js'
import { pathsOptions } from './options.js'

export type { PathsOptions } from './options.js'

/**
 * The paths of connections: probes them, keeps those that work, and has a connection take another one when its own falls
 * silent. Used by transports; without it their connections stay where they were made.
 */
export const paths = definePlugin({
  name: 'paths',
  needs: { datagrams: Datagrams, identity: Identity },
  provides: { paths: Paths },
  config: pathsOptions,
  start({ datagrams, identity }, context) {
    const keeper = new PathKeeper(datagrams, identity, context)
    context.defer(() => {
      keeper.stop(new AbortError('the paths plugin is stopping'))
    })
    return { paths: keeper }
  }
})
