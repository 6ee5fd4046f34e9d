import type { AnyIterable } from '../../kernel/index.js'
import type { ByteBudget } from './byte-budget.js'
import type { Remote } from './call.js'
import type { WireErrorObject } from './errors.js'
import type { Frame } from './frames.js'
import type { MessageReader } from './message-reader.js'
import type { MessageId, Request } from './messages.js'
import type { OfferedMethod } from './method.js'
import type { RpcSettings } from './options.js'
import type { OutgoingCall } from './outgoing-call.js'
import type { StreamCall } from './stream-call.js'

/** What a call sends first. */
export interface Question {
  readonly remote: Remote
  /** The input as JSON text; nothing if there is none. */
  readonly params: string | undefined
  /** The input if it is bytes. */
  readonly bytes: Uint8Array | undefined
  /** Messages that follow, or are all there is. */
  readonly items?: AnyIterable<unknown> | undefined
  /** Bytes that follow. */
  readonly body?: AnyIterable<Uint8Array> | undefined
}

/** How calls are said on a connection, one a stream. Limits, deadlines and cancellation are not its affair. */
export interface Wire {
  reader(options: RpcSettings, budget: ByteBudget): MessageReader
  /** Whether both sides wait for each other's end, however the call went. */
  readonly lingers: boolean
  /** Whether small calls share streams. */
  readonly hasLanes: boolean

  /** The request in the first message of a call. Throws `WireError`. */
  request(call: StreamCall, frame: Frame): Request
  /** Runs the handler of a call whose request has been read, and sends the answer. Rejects with whatever ends the call. */
  serve(call: StreamCall, method: OfferedMethod): Promise<void>
  /** The last message of an answer, for a call that failed. */
  error(id: MessageId, error: WireErrorObject): Uint8Array

  /** Sends the request, and begins to send what follows it. Only when the call has its stream. */
  ask(call: OutgoingCall, question: Question): Promise<void>
  /** The only result; throws the error that comes in its place. */
  result(call: OutgoingCall, remote: Remote): Promise<unknown>
  /** The next of many results, `undefined` behind the last; throws the error that comes in its place. */
  item(call: OutgoingCall, remote: Remote): Promise<{ readonly value: unknown } | undefined>
  /** The result before the bytes of a raw answer; throws the error that comes in its place. */
  head(call: OutgoingCall): Promise<unknown>
  /** The next bytes of a raw answer, `null` behind the last; throws the error that comes in their place. */
  bytes(call: OutgoingCall): Promise<Uint8Array | null>
}
