import createFastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { calculator } from './calculator.js'
import { health } from './health.js'
import { peerloom, type PeerloomOptions } from './peerloom.js'
import { peers, type PeersOptions } from './peers.js'

export interface AppOptions {
  readonly node?: PeerloomOptions
  readonly peers?: PeersOptions
  readonly fastify?: FastifyServerOptions
}

/** The application; it and its node start with `ready()` or `listen()`, and stop with `close()`. */
export function createApp({ node = {}, peers: peersOptions = {}, fastify = {} }: AppOptions = {}): FastifyInstance {
  const app = createFastify(fastify)
  app.register(peerloom, { ...node, plugins: [calculator, ...(node.plugins ?? [])] })
  app.register(peers, peersOptions)
  app.register(health)
  return app
}
