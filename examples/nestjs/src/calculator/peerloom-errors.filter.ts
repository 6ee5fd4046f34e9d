import { Catch, HttpException, HttpStatus, Logger, type ArgumentsHost } from '@nestjs/common'
import { BaseExceptionFilter } from '@nestjs/core'
import { PeerloomError, RpcCode, RpcError } from 'peerloom'

const STATUSES: Readonly<Record<string, HttpStatus>> = {
  ERR_INVALID_INPUT: HttpStatus.BAD_REQUEST,
  ERR_NOT_FOUND: HttpStatus.NOT_FOUND,
  ERR_CONNECT: HttpStatus.BAD_GATEWAY,
  ERR_PEER_MISMATCH: HttpStatus.BAD_GATEWAY,
  ERR_CONNECTION_CLOSED: HttpStatus.BAD_GATEWAY,
  ERR_STREAM_RESET: HttpStatus.BAD_GATEWAY,
  ERR_RPC: HttpStatus.BAD_GATEWAY,
  ERR_RPC_PROTOCOL: HttpStatus.BAD_GATEWAY,
  ERR_ABORTED: HttpStatus.SERVICE_UNAVAILABLE,
  ERR_LIMIT: HttpStatus.SERVICE_UNAVAILABLE,
  ERR_STATE: HttpStatus.SERVICE_UNAVAILABLE,
  ERR_DEADLINE: HttpStatus.GATEWAY_TIMEOUT,
  ERR_RPC_TIMEOUT: HttpStatus.GATEWAY_TIMEOUT
}

/** What the peer said of the call, where that is the client's business. */
const RPC_STATUSES: Readonly<Record<number, HttpStatus>> = {
  [RpcCode.INVALID_PARAMS]: HttpStatus.BAD_REQUEST,
  [RpcCode.FORBIDDEN]: HttpStatus.FORBIDDEN,
  [RpcCode.BUSY]: HttpStatus.SERVICE_UNAVAILABLE
}

/** Tells an HTTP client what went wrong between this node and a peer. */
@Catch(PeerloomError)
export class PeerloomErrors extends BaseExceptionFilter<PeerloomError> {
  readonly #log = new Logger(PeerloomErrors.name)

  override catch(error: PeerloomError, host: ArgumentsHost): void {
    const said = error instanceof RpcError ? RPC_STATUSES[error.rpcCode] : undefined
    const statusCode: number = said ?? STATUSES[error.code] ?? HttpStatus.INTERNAL_SERVER_ERROR
    const isClients = statusCode < 500
    if (!isClients) this.#log.warn(error.stack)
    // A message may name addresses of peers: it is logged, and told only where the client can mend something.
    const message = isClients ? error.message : 'the peer could not do this'
    super.catch(new HttpException({ statusCode, code: error.code, message }, statusCode) as never, host)
  }
}
