import { RpcCode, RpcError, type AnyIterable, type MethodKind } from '../../kernel/index.js'
import { Body, forEach, leaveUnread, sendBody } from './bodies.js'
import { FrameType, lastData, textFrame } from './frames.js'
import { DONE, isThenable, ItemIterator } from './item-iterator.js'
import { isObject, jsonOf, messageFrame, resultText } from './messages.js'
import type { OfferedMethod } from './method.js'
import { noSuchMethod } from './refusals.js'
import type { ServedCall } from './served-call.js'
import { WireError } from './wire-error.js'

/** Runs the handler of a call whose request has been read, and sends the answer. Rejects with whatever ends the call. */
export async function serve(call: ServedCall, method: OfferedMethod): Promise<void> {
  if (!call.channel.received && (method.kind === 'unary' || method.kind === 'server')) {
    if (method.hidden) throw noSuchMethod(method.name)
    throw new WireError(`${method.name} is a ${method.kind} method: its request ends with the first message`)
  }
  await servers[method.kind](call, method)
}

const servers: Record<MethodKind, (call: ServedCall, method: OfferedMethod) => Promise<void>> = {
  async unary(call, method) {
    respond(call, await settle(call, method.run(call, call.request.params)))
  },

  async client(call, method) {
    respond(call, await settle(call, method.run(call, inputOf(call))))
  },

  async server(call, method) {
    await sendItems(call, method.run(call, call.request.params))
  },

  async duplex(call, method) {
    await sendItems(call, method.run(call, inputOf(call)))
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

function settle(call: ServedCall, result: unknown): unknown {
  return isThenable(result) ? call.during(result) : result
}

function respond(call: ServedCall, result: unknown): void {
  call.channel.end(checked(call, messageFrame(resultText(call.request.id, result), true)))
}

async function sendItems(call: ServedCall, items: unknown): Promise<void> {
  await forEach(call, items as AnyIterable<unknown>, (item) =>
    call.send(checked(call, textFrame(FrameType.ITEM, jsonOf(item), false)))
  )
  respond(call, null)
}

function checked(call: ServedCall, frame: Uint8Array): Uint8Array {
  const { maxMessageBytes } = call.options
  if (frame.length <= maxMessageBytes) return frame
  throw new RpcError(RpcCode.INTERNAL_ERROR, `the answer is longer than ${String(maxMessageBytes)} bytes`)
}

function inputOf(call: ServedCall): ItemIterator<unknown> {
  const step = async (): Promise<IteratorResult<unknown, undefined>> => {
    if (call.channel.received) return DONE
    const frame = await call.receive()
    if (frame.type !== FrameType.ITEM) throw call.reject(new WireError('expected an item'))
    return frame.payload.length === 0 ? DONE : { done: false, value: call.parse(frame) }
  }
  return new ItemIterator(step, () => {
    call.leaveInput()
  })
}

function bodyOf(call: ServedCall): Body {
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
