import type { FastifyPluginAsync } from 'fastify'

/** `GET /health/ready`: may be given work. `GET /health/live`: no restart would help. 200 or 503, and the details. */
export const health: FastifyPluginAsync = async (fastify) => {
  for (const question of ['ready', 'live'] as const) {
    fastify.get(`/health/${question}`, async (_request, reply) => {
      const answer = await fastify.node.health()
      return reply.code(answer[question] ? 200 : 503).send(answer)
    })
  }
}
