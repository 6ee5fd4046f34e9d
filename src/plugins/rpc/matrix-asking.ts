import { InvalidInputError, type AnyIterable } from '../../kernel/index.js'
import { forEach, sendBody } from './bodies.js'
import { checked, type Remote } from './call.js'
import { FrameType, type Frame } from './frames.js'
import { inputText } from './input.js'
import { BLANK, bytesFollow, gap } from './matrix-gap.js'
import { requestBytes, resultIn, withTimeout } from './matrix-messages.js'
import type { OutgoingCall } from './outgoing-call.js'
import type { Wire } from './wire.js'
import { WireError } from './wire-error.js'

const NOTHING = new Uint8Array(0)

/** How calls are made on the wire of @matrixai/rpc. */
export const askInMatrix: Pick<Wire, 'ask' | 'result' | 'item' | 'head' | 'bytes'> = {
  // eslint-disable-next-line @typescript-eslint/require-await -- what it throws is to be a rejection
  async ask(call, { remote, params, items, body }) {
    if (remote.binary.input || remote.binary.output) {
      throw new InvalidInputError(`the messages of ${remote.method} are bytes, which only those of raw calls are here`)
    }
    if (items !== undefined) {
      call.pump(sendItems(call, remote, items))
      return
    }
    const request = firstRequest(call, remote, params)
    if (body === undefined) call.end(request)
    else call.pump(sendRaw(call, request, body))
  },

  async result(call) {
    return resultIn(call.parse(messageIn(await call.receive())))
  },

  async item(call) {
    const frame = await call.receive()
    return frame.last ? undefined : { value: resultIn(call.parse(frame)) }
  },

  async head(call) {
    const result = resultIn(call.parse(messageIn(await call.receive())))
    bytesFollow(call.channel)
    return result
  },

  async bytes(call) {
    const { last, payload } = await call.receive()
    return last ? null : payload
  }
}

function messageIn(frame: Frame): Frame {
  if (frame.type !== FrameType.MESSAGE) throw new WireError('the stream ended before its answer')
  return frame
}

/** It alone tells how long the caller waits. */
function firstRequest(call: OutgoingCall, remote: Remote, params: string | undefined): Uint8Array {
  return checked(remote, requestBytes(remote.method, withTimeout(params, call.deadline.getTimeout())))
}

async function sendItems(call: OutgoingCall, remote: Remote, items: AnyIterable<unknown>): Promise<void> {
  let apart: Promise<void> | undefined
  await forEach(call, items, (item) => {
    const params = inputText(item) ?? 'null'
    if (apart !== undefined) {
      const request = checked(remote, requestBytes(remote.method, params))
      return call.during(apart).then(() => call.send(request))
    }
    const full = call.send(firstRequest(call, remote, params))
    apart = gap(call)
    return full
  })
  if (apart === undefined) throw new InvalidInputError('on this wire a call begins with its first message: send one')
  call.end(BLANK)
}

async function sendRaw(call: OutgoingCall, request: Uint8Array, body: AnyIterable<Uint8Array>): Promise<void> {
  const full = call.send(request)
  if (full !== undefined) await full
  let apart: Promise<void> | undefined
  await sendBody(call, body, (sink, bytes) => {
    apart ??= gap(call)
    return call.during(apart).then(() => sink.send(bytes))
  })
  call.end(NOTHING)
}
