import { CloseCode, RpcCode, RpcError, type AnyIterable, type MethodKind } from '../../kernel/index.js'
import { Body, forEach, leaveUnread, sendBody } from './bodies.js'
import { DONE, ItemIterator } from './item-iterator.js'
import { BLANK, bytesFollow, gap } from './matrix-gap.js'
import { isRequest, resultBytes } from './matrix-messages.js'
import { isObject } from './messages.js'
import type { OfferedMethod } from './method.js'
import { misused } from './refusals.js'
import { checked, settle } from './serve.js'
import type { StreamCall } from './stream-call.js'
import { WireError } from './wire-error.js'

const NOTHING = new Uint8Array(0)

/** Runs the handler of a call that came on the wire of @matrixai/rpc. See {@link Wire.serve}. */
export function serveInMatrix(call: StreamCall, method: OfferedMethod): Promise<void> {
  const { input, output } = method.binary
  if (!input && !output) return servers[method.kind](call, method)
  const text = `the messages of ${method.name} are bytes, which only those of raw calls are here`
  return Promise.reject(misused(method, new RpcError(RpcCode.INTERNAL_ERROR, text)))
}

const servers: Record<MethodKind, (call: StreamCall, method: OfferedMethod) => Promise<void>> = {
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
    bytesFollow(call.channel)
    const body = bodyOf(call)
    let begun = false
    let running: unknown
    try {
      running = method.run(call, call.request.params, body.stream)
      const answer = await settle(call, running)
      if (!isObject(answer)) throw new RpcError(RpcCode.INTERNAL_ERROR, 'the handler returned no result and body')
      const head = checked(call, resultBytes(answer.result))
      begun = true
      await call.send(head)
      running = undefined
      let apart: Promise<void> | undefined
      await sendBody(call, answer.body as AnyIterable<Uint8Array>, (sink, bytes) => {
        apart ??= gap(call)
        return call.during(apart).then(() => sink.send(bytes))
      })
      call.channel.end(NOTHING)
      // Someone may still be reading; nobody will begin to.
      if (body.stream.locked) await call.during(body.ended)
    } catch (error) {
      body.fail(error)
      leaveUnread(call, running)
      // An error among the bytes would be taken for some of them.
      if (begun) call.channel.stream.reset(isTimeout(error) ? CloseCode.TIMEOUT : CloseCode.INTERNAL)
      throw error
    } finally {
      body.fail(new RpcError(RpcCode.CANCELLED, 'the call is over', { local: true }))
    }
  }
}

function respond(call: StreamCall, result: unknown): void {
  call.channel.end(checked(call, resultBytes(result)))
}

async function sendItems(call: StreamCall, items: unknown): Promise<void> {
  await forEach(call, items as AnyIterable<unknown>, (item) => call.send(checked(call, resultBytes(item))))
  call.channel.end(BLANK)
}

/** The inputs of all requests, of which the first has been read already. */
function inputOf(call: StreamCall): ItemIterator<unknown> {
  let begun = false
  const step = async (): Promise<IteratorResult<unknown, undefined>> => {
    if (!begun) {
      begun = true
      return { done: false, value: call.request.params ?? null }
    }
    if (call.channel.received) return DONE
    const frame = await call.receive()
    if (frame.last) return DONE
    const request = call.parse(frame)
    if (!isRequest(request)) throw call.reject(new WireError('expected a request with the next message'))
    return { done: false, value: request.params ?? null }
  }
  return new ItemIterator(step, () => {
    call.leaveInput()
  })
}

function bodyOf(call: StreamCall): Body {
  const next = async (): Promise<Uint8Array | null> => {
    if (call.channel.received) return null
    const { last, payload } = await call.receive()
    return last ? null : payload
  }
  return new Body(next, () => {
    call.leaveInput()
  })
}

function isTimeout(error: unknown): boolean {
  return error instanceof RpcError && error.rpcCode === RpcCode.TIMEOUT
}
