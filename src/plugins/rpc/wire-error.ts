import { PeerloomError, RpcCode } from '../../kernel/index.js'

/** The peer broke the wire format. `rpcCode` is what it is told if it was the caller. */
export class WireError extends PeerloomError {
  override readonly name = 'WireError'

  constructor(
    message: string,
    readonly rpcCode: number = RpcCode.INVALID_REQUEST,
    options?: ErrorOptions
  ) {
    super('ERR_RPC_PROTOCOL', message, options)
  }
}
