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
    let node: Node | undefined
    // Before the start, which Fastify may stop waiting for (`pluginTimeout`) while it goes on.
    fastify.addHook('onClose', async () => {
      closing.abort()
      await node?.stop()
    })
    node = await createNode({ ...options, log: loggerOf(fastify.log), signal: closing.signal })
    fastify.decorate('node', node)
  },
  { fastify: '5.x', name: 'peerloom' }
)
