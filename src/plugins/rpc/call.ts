import {
  AbortError,
  CloseCode,
  InvalidInputError,
  type AnyIterable,
  type CallOptions,
  type MethodKind,
  type RawResponse,
  type RpcTarget
} from '../../kernel/index.js'
import { binaryFrame, binaryResult, BYTES_FOLLOW } from './binary.js'
import { Body, forEach, sendBody } from './bodies.js'
import type { RpcEnvironment } from './environment.js'
import { FrameType, lastData, lastItem, textFrame, type Frame } from './frames.js'
import { inputBytes, inputText } from './input.js'
import { DONE, ItemIterator } from './item-iterator.js'
import { messageFrame, requestText } from './messages.js'
import type { BinarySides } from './method.js'
import { OutgoingCall } from './outgoing-call.js'
import type { Question, Wire } from './wire.js'
import { sharedCaller } from './shared-call.js'
import { WireError } from './wire-error.js'

/** A method of another node, and how to get there. */
export interface Remote {
  readonly environment: RpcEnvironment
  readonly target: RpcTarget
  readonly method: string
  readonly binary: BinarySides
}

/** The function that calls a method, by its kind. */
export function callerOf(kind: MethodKind, remote: Remote): unknown {
  switch (kind) {
    case 'unary':
      return sharedCaller(remote, (target, input, options) =>
        callForOne({ ...remote, target }, input, undefined, options)
      )
    case 'client':
      return (input: AnyIterable<unknown>, options?: CallOptions) => callForOne(remote, undefined, input, options)
    case 'server':
      return (input: unknown, options?: CallOptions) => callForMany(remote, input, undefined, options)
    case 'duplex':
      return (input: AnyIterable<unknown>, options?: CallOptions) => callForMany(remote, undefined, input, options)
    case 'raw':
      return (input: unknown, body: AnyIterable<Uint8Array>, options?: CallOptions) =>
        callRaw(remote, input, body, options)
  }
}

type Items = AnyIterable<unknown> | undefined

async function callForOne(remote: Remote, input: unknown, items: Items, options?: CallOptions): Promise<unknown> {
  const call = new OutgoingCall(remote.environment, options, input)
  try {
    await begin(call, remote, input, { items })
    return await call.wire.result(call, remote)
  } catch (error) {
    throw call.failWith(error)
  } finally {
    call.finish()
  }
}

async function lastFrame(call: OutgoingCall): Promise<Frame> {
  const frame = await call.receive()
  if (!frame.last) throw new WireError('more than one message in answer; is the method of another kind?')
  return frame
}

/** What a call for one message was answered; throws the error that it says instead. */
function resultIn(call: OutgoingCall, { binary }: Remote, frame: Frame): unknown {
  // An error is JSON, whatever the output is.
  if (!binary.output || frame.type === FrameType.MESSAGE) {
    const result = call.result(frame)
    if (binary.output) throw new WireError('expected bytes')
    return result
  }
  if (frame.type !== FrameType.BINARY) throw new WireError('expected bytes')
  return binaryResult(frame.payload, call.maxJsonDepth)
}

function callForMany(remote: Remote, input: unknown, items: Items, options?: CallOptions): ItemIterator<unknown> {
  let call: OutgoingCall | undefined
  // The call is under way before anybody asks for its first item.
  const start = async (): Promise<OutgoingCall> => {
    call = new OutgoingCall(remote.environment, options, input)
    try {
      await begin(call, remote, input, { items })
      return call
    } catch (error) {
      throw call.failWith(error)
    }
  }
  const started = start()
  // The first `next` tells what went wrong.
  started.catch(() => undefined)
  return new ItemIterator(
    async () => nextItem(await started, remote),
    () => {
      call?.fail(new AbortError('the iterator was left'), CloseCode.CANCELLED)
    }
  )
}

async function nextItem(call: OutgoingCall, remote: Remote): Promise<IteratorResult<unknown, undefined>> {
  try {
    const item = await call.wire.item(call, remote)
    if (item !== undefined) return { done: false, value: item.value }
    call.finish()
    return DONE
  } catch (error) {
    throw call.failWith(error)
  }
}

async function callRaw(
  remote: Remote,
  input: unknown,
  source: AnyIterable<Uint8Array>,
  options?: CallOptions
): Promise<RawResponse<unknown>> {
  const call = new OutgoingCall(remote.environment, options, input)
  try {
    await begin(call, remote, input, { body: source })
    const result = await call.wire.head(call)
    const next = async (): Promise<Uint8Array | null> => {
      try {
        const bytes = call.channel.received ? null : await call.wire.bytes(call)
        if (call.channel.sent && call.channel.received) call.finish()
        return bytes
      } catch (error) {
        throw call.failWith(error)
      }
    }
    const body = new Body(next, () => {
      call.fail(new AbortError('the body was cancelled'), CloseCode.CANCELLED)
    })
    call.onFailed = (error) => {
      body.fail(error)
    }
    return { result, body: body.stream }
  } catch (error) {
    throw call.failWith(error)
  }
}

/** Opens the stream, sends the request, and begins to send what follows it. */
async function begin(
  call: OutgoingCall,
  remote: Remote,
  input: unknown,
  more: Pick<Question, 'items' | 'body'>
): Promise<void> {
  const bytes = remote.binary.input && more.items === undefined ? inputBytes(remote.method, input) : undefined
  const params = bytes === undefined ? inputText(input) : undefined
  const opening = call.open(remote.target)
  if (opening !== undefined) await opening
  await call.wire.ask(call, { remote, params, bytes, ...more })
}

/** How `peerloom/1` calls. */
export const asking: Pick<Wire, 'ask' | 'result' | 'item' | 'head' | 'bytes'> = {
  async ask(call, { remote, params, bytes, items, body }) {
    const last = items === undefined && body === undefined
    const text = requestText(remote.method, params, call.deadline.getTimeout())
    const frame = checked(
      remote,
      bytes === undefined ? messageFrame(text, last) : binaryFrame(text + BYTES_FOLLOW, bytes, last)
    )
    if (last) {
      call.end(frame)
      return
    }
    const full = call.send(frame)
    if (full !== undefined) await full
    if (items !== undefined) call.pump(sendItems(call, remote, items))
    if (body !== undefined) {
      call.pump(
        sendBody(call, body).then(() => {
          call.end(lastData)
        })
      )
    }
  },

  async result(call, remote) {
    return resultIn(call, remote, await lastFrame(call))
  },

  async item(call, { binary }) {
    const frame = await call.receive()
    if (frame.type === (binary.output ? FrameType.BINARY : FrameType.ITEM) && !frame.last) {
      return { value: binary.output ? new Uint8Array(frame.payload) : call.parse(frame) }
    }
    if (!frame.last) throw new WireError('a response that is not the last frame')
    call.result(frame)
    return undefined
  },

  async head(call) {
    return call.result(await call.receive())
  },

  async bytes(call) {
    const frame = await call.receive()
    if (frame.type === FrameType.DATA) return frame.payload.length === 0 ? null : frame.payload
    if (frame.type === FrameType.MESSAGE && frame.last) call.result(frame)
    throw new WireError('expected bytes, or an error in their place')
  }
}

async function sendItems(call: OutgoingCall, remote: Remote, items: AnyIterable<unknown>): Promise<void> {
  await forEach(call, items, (item) => {
    const frame = remote.binary.input
      ? binaryFrame('', inputBytes(remote.method, item), false)
      : textFrame(FrameType.ITEM, inputText(item) ?? 'null', false)
    return call.send(checked(remote, frame))
  })
  call.end(lastItem)
}

/** A message, unless it is too long. Throws `ERR_INVALID_INPUT`. */
export function checked(remote: Remote, frame: Uint8Array): Uint8Array {
  const { maxMessageBytes } = remote.environment.options
  if (frame.length <= maxMessageBytes) return frame
  throw new InvalidInputError(`an input for ${remote.method} is longer than ${String(maxMessageBytes)} bytes`)
}
