// PORT: where to serve HTTP. PEERLOOM_PORT: the node's UDP port. SEED: the contact of a node to join through.
import { createApp } from './app.js'

const { PORT = '3000', PEERLOOM_PORT, SEED } = process.env

const app = createApp({
  fastify: { logger: true },
  node: {
    ...(PEERLOOM_PORT === undefined ? {} : { port: Number(PEERLOOM_PORT) }),
    ...(SEED === undefined ? {} : { seeds: [SEED] })
  }
})

const failed = (error: unknown): void => {
  app.log.error(error)
  process.exitCode = 1
}
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void app.close().catch(failed))

try {
  await app.listen({ port: Number(PORT) })
  app.log.info(`others join through ${app.node.contact.toString()}`)
} catch (error) {
  failed(error)
  await app.close()
}
