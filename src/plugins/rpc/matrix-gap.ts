import { sleep } from '../../kernel/index.js'
import type { Channel } from './channel.js'
import type { RpcEnvironment } from './environment.js'
import { JsonReader } from './json-reader.js'

/** A blank. It says nothing, but the end of a stream that travels with it cannot be lost for ever. */
export const BLANK = Buffer.from('\n')

/**
 * Waits until the other side has most likely taken what was sent first on a stream. The package takes the first message
 * off the stream together with all that came in the same chunk, and loses that: RPCServer behind the request, RPCClient
 * behind the head of a raw answer. There is nothing to tell it apart from others by, nor does it acknowledge the message.
 */
export async function gap(call: { readonly channel: Channel; readonly environment: RpcEnvironment }): Promise<void> {
  const { connection } = call.channel.stream
  const { clock } = call.environment
  const sentAt = clock.monotonic()
  await connection.ping()
  // What was heard may be the answer to something else, sent before.
  const left = connection.stats().rttMs - (clock.monotonic() - sentAt)
  if (left > 0) await sleep(clock, left)
}

/** Whatever comes on a stream from now on is bytes. */
export function bytesFollow({ reader }: Channel): void {
  if (reader instanceof JsonReader) reader.passBytes()
}
