import fastifyPlugin from 'fastify-plugin'
import { createNode, type Node, type NodeOptions } from 'peerloom'
import { loggerOf } from './logger.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** This application's node; runs from the boot until `onClose`. */
    readonly node: Node
  }
}

/** What `createNode` takes, but for the logger, which is Fastify's, and the signal, which is aborted on close. */
export type PeerloomOptions = Omit<NodeOptions, 'log' | 'signal'>

/**
 * Runs a node for as long as the application: `fastify.node`.
 *
 * A node that cannot start fails the boot with Peerloom's error (`ERR_START`, `ERR_CONFIG`, `ERR_GRAPH`). The node
 * stops on close, after the last request has been answered; `close()` also gives up a start under way.
 *
 * @example
 * await fastify.register(peerloom, { port: 4433, plugins: [calculator] })
 * fastify.log.info(`others join through ${fastify.node.contact}`)
 */
export const peerloom = fastifyPlugin<PeerloomOptions>(
  async (fastify, options) => {
    const closing = new AbortController()
    const starting = createNode({ ...options, log: loggerOf(fastify.log), signal: closing.signal })
    // Before the start is awaited: Fastify may give up waiting for it (`pluginTimeout`) while it goes on.
    fastify.addHook('onClose', async () => {
      closing.abort()
      const node = await starting.catch(() => undefined)
      await node?.stop()
    })
    fastify.decorate('node', await starting)
  },
  { fastify: '5.x', name: 'peerloom' }
)
