import type * as v from 'valibot'
import { Datagrams, definePlugin, Identity, Paths, Transport } from '../../kernel/index.js'
import { Endpoint } from './endpoint.js'
import { settings } from './settings.js'

export type MemoryTransportOptions = v.InferInput<typeof settings>

/**
 * The Transport contract over any Datagrams, without native code and in virtual time. Both sides prove their node ids,
 * packets are repeated until they arrive, but **nothing is encrypted and nothing after the handshake is protected
 * against forgery**: it is for tests and simulations alone.
 */
export const memoryTransport = definePlugin({
  name: 'memory-transport',
  needs: { datagrams: Datagrams, identity: Identity },
  optional: { paths: Paths },
  provides: { transport: Transport },
  config: settings,
  start({ datagrams, identity, paths }, context) {
    const { name, config, clock, random, log } = context
    const transport = new Endpoint({ name, datagrams, identity, paths, clock, random, log }, config)
    context.defer(() => transport.stop())
    return { transport }
  }
})
