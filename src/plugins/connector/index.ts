import { ConnectionPool, Connector, definePlugin, Identity, Router } from '../../kernel/index.js'
import { PathFinder } from './connector.js'
import { connectorOptions } from './options.js'

export { dialContacts, type DialContactsOptions } from './dial-contacts.js'
export { findContacts, type FindContactsOptions } from './find-contacts.js'
export type { ConnectorOptions } from './options.js'
export { reportFailure } from './report-failure.js'
export { liveConnection, orElse, type ConnectStage, type PathStep } from './stage.js'
export { within } from './within.js'

/**
 * From a node id to a live connection: the one that lives, or a look-up whose contacts are dialled as they come.
 *
 * @example The same path by hand
 * findContacts(router, peer).pipe(dialContacts(pool), within(30_000, clock), reportFailure(peer, clock))
 */
export const connector = definePlugin({
  name: 'connector',
  needs: { router: Router, pool: ConnectionPool, identity: Identity },
  provides: { connector: Connector },
  config: connectorOptions,
  start: (dependencies, ctx) => ({ connector: new PathFinder(dependencies, ctx) })
})
