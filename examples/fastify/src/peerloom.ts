import fastifyPlugin from 'fastify-plugin'
import { prepareNode, type Node, type NodeOptions } from 'peerloom'
import { pinoLogger } from './pino-logger.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** This application's node; runs from `onReady` until `onClose`. */
    readonly node: Node
  }
}

/** What `prepareNode` takes, but for the logger, which is Fastify's. */
export type PeerloomOptions = Omit<NodeOptions, 'log' | 'signal'>

/**
 * Runs a node for as long as the application: `fastify.node`.
 *
 * It starts when every plugin of the application has been registered. A node that cannot start fails the boot with
 * Peerloom's error (`ERR_START`, `ERR_CONFIG`, `ERR_GRAPH`); so does one that takes longer than `pluginTimeout`. The
 * node stops on close, after the last request has been answered.
 *
 * @example
 * await fastify.register(peerloom, { port: 4433, plugins: [calculator] })
 * await fastify.listen({ port: 3000 })
 * fastify.log.info(`others join through ${fastify.node.contact}`)
 */
export const peerloom = fastifyPlugin<PeerloomOptions>(
  async (fastify, options) => {
    const node = prepareNode({ ...options, log: pinoLogger(fastify.log) })
    fastify.decorate('node', node)
    fastify.addHook('onReady', () => node.start())
    fastify.addHook('onClose', () => node.stop())
  },
  { fastify: '5.x', name: 'peerloom' }
)
