import { FrameType } from './frames.js'
import { JsonReader } from './json-reader.js'
import { askInMatrix } from './matrix-asking.js'
import { errorBytes } from './matrix-messages.js'
import { serveInMatrix } from './matrix-serve.js'
import { asRequest } from './messages.js'
import type { Wire } from './wire.js'
import { WireError } from './wire-error.js'

/** The wire of @matrixai/rpc (docs/protocol.md). */
export const matrixWire: Wire = {
  reader: ({ maxMessageBytes, maxJsonDepth }, budget) => new JsonReader(maxMessageBytes, maxJsonDepth, budget),
  lingers: true,
  hasLanes: false,
  request(call, frame) {
    if (frame.type !== FrameType.MESSAGE) throw new WireError('the stream ended before its request')
    return asRequest(call.parse(frame))
  },
  serve: serveInMatrix,
  error: (_, error) => errorBytes(error),
  ...askInMatrix
}
