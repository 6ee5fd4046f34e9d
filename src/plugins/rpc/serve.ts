import { RpcCode, RpcError, type AnyIterable, type MethodKind } from '../../kernel/index.js'
import { Body, forEach, leaveUnread, sendBody } from './bodies.js'
import { FrameType, lastData, textFrame } from './frames.js'
import { DONE, isThenable, ItemIterator } from './item-iterator.js'
import { binaryFrame, BYTES_FOLLOW } from './binary.js'
import { binaryResultText, isObject, jsonOf, messageFrame, resultText } from './messages.js'
import { checkAnswer, outputBytes, type OfferedMethod } from './method.js'
import { misused } from './refusals.js'
import type { StreamCall } from './stream-call.js'
import { WireError } from './wire-error.js'

/** Runs the handler of a call whose request has been read, and sends the answer. Rejects with whatever ends the call. */
export async function serve(call: StreamCall, method: OfferedMethod): Promise<void> {
  if (!call.channel.received && (method.kind === 'unary' || method.kind === 'server')) {
    const text = `${method.name} is a ${method.kind} method: its request ends with the first message`
    throw misused(method, new WireError(text))
  }
  await servers[method.kind](call, method)
}

const servers: Record<MethodKind, (call: StreamCall, method: OfferedMethod) => Promise<void>> = {
  async unary(call, method) {
    respond(call, method, await settle(call, method.run(call, call.request.params)))
  },

  async client(call, method) {
    respond(call, method, await settle(call, method.run(call, inputOf(call, method))))
  },

  async server(call, method) {
    await sendItems(call, method, method.run(call, call.request.params))
  },

  async duplex(call, method) {
    await sendItems(call, method, method.run(call, inputOf(call, method)))
  },

  async raw(call, method) {
    const body = bodyOf(call)
    let running: unknown
    try {
      running = method.run(call, call.request.params, body.stream)
      const answer = await settle(call, running)
      if (!isObject(answer)) throw new RpcError(RpcCode.INTERNAL_ERROR, 'the handler returned no result and body')
      await call.send(checked(call, messageFrame(resultText(call.request.id, answer.result), false)))
      running = undefined
      await sendBody(call, answer.body as AnyIterable<Uint8Array>)
      call.channel.end(lastData)
      // Someone may still be reading; nobody will begin to.
      if (body.stream.locked) await call.during(body.ended)
    } catch (error) {
      body.fail(error)
      leaveUnread(call, running)
      throw error
    } finally {
      body.fail(new RpcError(RpcCode.CANCELLED, 'the call is over', { local: true }))
    }
  }
}

/** What a handler returned, or resolves with. */
export function settle(call: StreamCall, result: unknown): unknown {
  return isThenable(result) ? call.during(result) : result
}

function respond(call: StreamCall, { binary }: OfferedMethod, result: unknown): void {
  const frame = binary.output
    ? binaryFrame(binaryResultText(call.id) + BYTES_FOLLOW, outputBytes(result), true)
    : messageFrame(resultText(call.id, result), true)
  call.channel.end(checked(call, frame))
}

async function sendItems(call: StreamCall, { binary }: OfferedMethod, items: unknown): Promise<void> {
  await forEach(call, items as AnyIterable<unknown>, (item) => {
    const frame = binary.output
      ? binaryFrame('', outputBytes(item), false)
      : textFrame(FrameType.ITEM, jsonOf(item), false)
    return call.send(checked(call, frame))
  })
  call.channel.end(messageFrame(resultText(call.id, null), true))
}

/** A message, unless it is too long. Throws {@link RpcError}. */
export function checked(call: StreamCall, frame: Uint8Array): Uint8Array {
  checkAnswer(frame.length, call.environment.options)
  return frame
}

function inputOf(call: StreamCall, { binary }: OfferedMethod): ItemIterator<unknown> {
  const step = async (): Promise<IteratorResult<unknown, undefined>> => {
    if (call.channel.received) return DONE
    const frame = await call.receive()
    if (frame.type === FrameType.ITEM && frame.payload.length === 0) return DONE
    if (frame.type === FrameType.BINARY && binary.input) return { done: false, value: new Uint8Array(frame.payload) }
    if (frame.type !== FrameType.ITEM || binary.input) throw call.reject(new WireError('expected an item'))
    return { done: false, value: call.parse(frame) }
  }
  return new ItemIterator(step, () => {
    call.leaveInput()
  })
}

function bodyOf(call: StreamCall): Body {
  const next = async (): Promise<Uint8Array | null> => {
    if (call.channel.received) return null
    const frame = await call.receive()
    if (frame.type !== FrameType.DATA) throw call.reject(new WireError('expected bytes'))
    return frame.payload.length === 0 ? null : frame.payload
  }
  return new Body(next, () => {
    call.leaveInput()
  })
}
