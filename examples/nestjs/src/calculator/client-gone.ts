import { createParamDecorator, type ExecutionContext } from '@nestjs/common'
import type { ServerResponse } from 'node:http'

/** A signal that is aborted when the HTTP client goes away before it has its answer. */
export const ClientGone = createParamDecorator((_: unknown, context: ExecutionContext): AbortSignal => {
  const response = context.switchToHttp().getResponse<ServerResponse>()
  const gone = new AbortController()
  response.once('close', () => {
    if (!response.writableFinished) gone.abort()
  })
  return gone.signal
})
