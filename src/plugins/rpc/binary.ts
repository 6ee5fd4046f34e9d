import { RpcCode } from '../../kernel/index.js'
import { FRAME_HEADER_BYTES, frameHeader, FrameType } from './frames.js'
import { parseJson } from './json.js'
import { asRequest, checkResponse, isObject, messageFrame, type Request } from './messages.js'
import { WireError } from './wire-error.js'

/** Id of a lane's stream, and number of a call on it. */
const ANSWER_BYTES = 12

/** Stands between a message and the bytes behind it; JSON has no place for it. */
export const BYTES_FOLLOW = '\0'

/** A frame with a message that ends in {@link BYTES_FOLLOW}, or with nothing for an item, and the bytes that belong to it. */
export function binaryFrame(text: string, bytes: Uint8Array, last: boolean): Uint8Array {
  const head = Buffer.from(text)
  const header = frameHeader(FrameType.BINARY, head.length + bytes.length, last)
  return Buffer.concat([header, head, bytes], FRAME_HEADER_BYTES + head.length + bytes.length)
}

/** An answer to a call on a lane, for a stream of its own: which one, and the message. */
export function answerFrames(lane: number, call: number, text: string, bytes: Uint8Array | undefined): Uint8Array {
  const which = Buffer.alloc(ANSWER_BYTES)
  which.writeBigUInt64BE(BigInt(lane))
  which.writeUInt32BE(call, 8)
  const header = frameHeader(FrameType.ANSWER, ANSWER_BYTES, false)
  const message = bytes === undefined ? messageFrame(text, true) : binaryFrame(text, bytes, true)
  return Buffer.concat([header, which, message])
}

/** Which call such an answer is for: the lane's stream, and the number on it. Throws {@link WireError}. */
export function answeredCall(payload: Uint8Array): { readonly lane: number; readonly call: number } {
  if (payload.length !== ANSWER_BYTES) throw new WireError('an answer to nothing that was asked')
  const which = Buffer.from(payload)
  return { lane: Number(which.readBigUInt64BE()), call: which.readUInt32BE(8) }
}

/** The request in such a payload. Throws {@link WireError}. */
export function binaryRequest(payload: Uint8Array, maxDepth: number): Request {
  const [message, params] = unpack(payload, maxDepth)
  const request = asRequest(message)
  if (request.params !== undefined) throw new WireError('a request with params beside its bytes')
  return { ...request, params }
}

/** The result in such a payload. Throws {@link WireError}. */
export function binaryResult(payload: Uint8Array, maxDepth: number): Uint8Array {
  const [message, result] = unpack(payload, maxDepth)
  if (!isObject(message) || message.error !== undefined || message.result !== undefined) {
    throw new WireError('not a response that bytes belong to')
  }
  checkResponse(message)
  return result
}

/** The message and a copy of the bytes. */
function unpack(payload: Uint8Array, maxDepth: number): [unknown, Uint8Array] {
  const end = payload.indexOf(0)
  if (end < 0) throw new WireError('no bytes behind a message', RpcCode.PARSE_ERROR)
  return [parseJson(payload, maxDepth, 0, end), new Uint8Array(payload.subarray(end + 1))]
}
