import * as v from 'valibot'
import { ConnectionPool, definePlugin, Identity, Router, RpcRegistry } from '../../kernel/index.js'
import { KademliaRouter } from './router.js'

const HOUR_MS = 3_600_000

const schema = v.strictObject({
  /** Milliseconds that one query may take, dialling included; 5 s. */
  queryTimeoutMs: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(HOUR_MS)), 5_000),
  /** Milliseconds between two refreshes of the routing table, ± 50 %; 1 h. */
  refreshIntervalMs: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1_000), v.maxValue(24 * HOUR_MS)), HOUR_MS)
})

export type KademliaOptions = v.InferInput<typeof schema>

/** Finds nodes by id in the manner of Kademlia (Maymounkov and Mazières, 2002). Offers `kad.ping` and `kad.findNode`. */
export const kademlia = definePlugin({
  name: 'kademlia',
  needs: { rpc: RpcRegistry, pool: ConnectionPool, identity: Identity },
  provides: { router: Router },
  config: schema,
  start: ({ rpc, pool, identity }, context) => ({ router: new KademliaRouter(identity.nodeId, { rpc, pool }, context) })
})
