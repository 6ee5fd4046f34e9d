import { ConnectionPool, Datagrams, definePlugin, Identity, Transport } from '../../kernel/index.js'
import { connectionPoolOptions } from './options.js'
import { Pool } from './pool.js'

export type { ConnectionPoolOptions } from './options.js'

/**
 * Keeps one live connection a peer, dials contacts by racing their addresses, decides who may stay when there are too
 * many, and notices peers that were restarted.
 */
export const connectionPool = definePlugin({
  name: 'connection-pool',
  needs: { transport: Transport, datagrams: Datagrams, identity: Identity },
  provides: { pool: ConnectionPool },
  config: connectionPoolOptions,
  start({ transport, datagrams, identity }, ctx) {
    const pool = new Pool({ transport, datagrams, identity }, ctx)
    transport.onConnection = (connection) => {
      pool.accept(connection)
    }
    transport.onEarly = (connection) => {
      pool.acceptEarly(connection)
    }
    ctx.defer(() => {
      transport.onConnection = undefined
      transport.onEarly = undefined
      return pool.stop()
    })
    return { pool }
  }
})
