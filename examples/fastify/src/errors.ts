import type { FastifyReply, FastifyRequest } from 'fastify'
import { STATUS_CODES } from 'node:http'
import { PeerloomError, RpcCode, RpcError } from 'peerloom'

const STATUSES: Readonly<Record<string, number>> = {
  ERR_INVALID_INPUT: 400,
  ERR_NOT_FOUND: 404,
  ERR_CONNECT: 502,
  ERR_PEER_MISMATCH: 502,
  ERR_CONNECTION_CLOSED: 502,
  ERR_STREAM_RESET: 502,
  ERR_RPC: 502,
  ERR_RPC_PROTOCOL: 502,
  ERR_ABORTED: 503,
  ERR_LIMIT: 503,
  ERR_STATE: 503,
  ERR_DEADLINE: 504,
  ERR_RPC_TIMEOUT: 504
}

/** What the peer said of the call, where that is the client's business. */
const RPC_STATUSES: Readonly<Record<number, number>> = {
  [RpcCode.INVALID_PARAMS]: 400,
  [RpcCode.FORBIDDEN]: 403,
  [RpcCode.BUSY]: 503
}

/** The HTTP status that tells a client of this application what went wrong between it and a peer. */
export function statusOf(error: PeerloomError): number {
  const said = error instanceof RpcError ? RPC_STATUSES[error.rpcCode] : undefined
  return said ?? STATUSES[error.code] ?? 500
}

/** An error handler for routes that call peers; whatever is not Peerloom's goes on to the handler above it. */
export function peerloomErrors(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  if (!(error instanceof PeerloomError)) throw error
  const statusCode = statusOf(error)
  request.log[statusCode < 500 ? 'info' : 'warn']({ err: error }, error.message)
  const title = STATUS_CODES[statusCode]
  // A message may name addresses of peers: it is logged, and told only where the client can mend something.
  const message = statusCode < 500 ? error.message : title
  void reply.code(statusCode).send({ statusCode, code: error.code, error: title, message })
}
