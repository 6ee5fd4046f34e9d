import type { FastifyReply } from 'fastify'

/**
 * A signal that is aborted when the client goes away before it has its answer.
 *
 * `request.signal` will not do for every route: Node closes a request that has a body as soon as the body is read.
 */
export function clientGone(reply: FastifyReply): AbortSignal {
  const gone = new AbortController()
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) gone.abort()
  })
  return gone.signal
}
