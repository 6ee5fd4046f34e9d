import { binaryRequest } from './binary.js'
import { asking } from './call.js'
import { FrameReader, FrameType } from './frames.js'
import { asRequest, errorText, messageFrame } from './messages.js'
import { serve } from './serve.js'
import type { Wire } from './wire.js'
import { WireError } from './wire-error.js'

/** The wire format `peerloom/1` (docs/protocol.md). */
export const peerloomWire: Wire = {
  reader: ({ maxMessageBytes }, budget) => new FrameReader(maxMessageBytes, budget),
  lingers: false,
  hasLanes: true,
  request(call, frame) {
    if (frame.type === FrameType.MESSAGE) return asRequest(call.parse(frame))
    if (frame.type === FrameType.BINARY) return binaryRequest(frame.payload, call.environment.options.maxJsonDepth)
    throw new WireError('expected a request')
  },
  serve,
  error: (id, error) => messageFrame(errorText(id, error), true),
  ...asking
}
