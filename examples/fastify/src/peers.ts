import type { FastifyPluginAsync } from 'fastify'
import { calculatorApi } from './calculator.js'
import { clientGone } from './client-gone.js'
import { peerloomErrors } from './errors.js'

export interface PeersOptions {
  /** Milliseconds that finding, connecting to and calling a peer may take together; 10,000 unless given. */
  readonly timeoutMs?: number
}

const squareSchema = {
  params: { type: 'object', properties: { id: { type: 'string' } }, required: ['id'] },
  querystring: { type: 'object', properties: { value: { type: 'number' } }, required: ['value'] }
} as const

/** `GET /peers/:id/square?value=12`: has another node do the work. */
export const peers: FastifyPluginAsync<PeersOptions> = async (fastify, { timeoutMs = 10_000 }) => {
  // Only for these routes: an application has an error handler of its own.
  fastify.setErrorHandler(peerloomErrors)

  fastify.get<{ Params: { id: string }; Querystring: { value: number } }>(
    '/peers/:id/square',
    { schema: squareSchema },
    ({ params, query }, reply) =>
      fastify.node
        .peer(params.id)
        .rpc(calculatorApi)
        .square({ value: query.value }, { signal: clientGone(reply), timer: timeoutMs })
  )
}
