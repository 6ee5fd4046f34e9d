import callers from '@matrixai/rpc/dist/callers/index.js'
import handlers from '@matrixai/rpc/dist/handlers/index.js'
import type { CallContext, CallMeta, ClassCaller, ClassHandler, JsonValue, MethodKind } from '../../kernel/index.js'
import type { ServedCall } from './served-call.js'

// The classes of @matrixai/rpc with our own types: its `ctx` and `meta` are other packages', and older (FACTS 2).

export type JSONValue = JsonValue
/** What a handler's class is given when it is made; of its own choosing. */
export type ContainerType = object
/** What `ctx` is. */
export type ContextTimed = CallContext

/** An input that may carry the caller's limit, `metadata.timeout` in milliseconds. */
export type JSONRPCRequestParams<T extends object = Record<string, JsonValue>> = T & {
  readonly metadata?: { readonly timeout?: number | null; readonly [member: string]: JsonValue | undefined }
}
/** An output. */
export type JSONRPCResponseResult<T extends object = Record<string, JsonValue>> = T & {
  readonly metadata?: { readonly [member: string]: JsonValue | undefined }
}
export type JSONRPCParams<T extends object = Record<string, JsonValue>> = JSONRPCRequestParams<T>
export type JSONRPCResult<T extends object = Record<string, JsonValue>> = JSONRPCResponseResult<T>

/** The request as a raw handler sees it. */
export interface JSONRPCRequest {
  readonly jsonrpc: '2.0'
  readonly method: string
  readonly id: string | number | null
  readonly params?: JsonValue
}

/** Ends the call: its caller sees an `RpcError` with `RpcCode.CANCELLED`. */
export type Cancel = (reason?: unknown) => void

declare abstract class Handler<Container extends ContainerType, Input, Output> implements ClassHandler {
  /** Milliseconds that a call may take; the registry's default unless set. */
  timeout?: number
  protected container: Container
  protected _inputType: Input
  protected _outputType: Output
  constructor(container: Container)
  abstract handle(input: unknown, cancel: Cancel, meta: CallMeta | undefined, ctx: CallContext): unknown
}

declare abstract class Unary<C extends ContainerType = ContainerType, I = JsonValue, O = JsonValue> extends Handler<
  C,
  I,
  O
> {
  abstract override handle(input: I, cancel: Cancel, meta: CallMeta | undefined, ctx: CallContext): Promise<O>
}
declare abstract class Client<C extends ContainerType = ContainerType, I = JsonValue, O = JsonValue> extends Handler<
  C,
  I,
  O
> {
  abstract override handle(
    input: AsyncIterableIterator<I>,
    cancel: Cancel,
    meta: CallMeta | undefined,
    ctx: CallContext
  ): Promise<O>
}
declare abstract class Server<C extends ContainerType = ContainerType, I = JsonValue, O = JsonValue> extends Handler<
  C,
  I,
  O
> {
  abstract override handle(
    input: I,
    cancel: Cancel,
    meta: CallMeta | undefined,
    ctx: CallContext
  ): AsyncIterableIterator<O>
}
declare abstract class Duplex<C extends ContainerType = ContainerType, I = JsonValue, O = JsonValue> extends Handler<
  C,
  I,
  O
> {
  abstract override handle(
    input: AsyncIterableIterator<I>,
    cancel: Cancel,
    meta: CallMeta | undefined,
    ctx: CallContext
  ): AsyncIterableIterator<O>
}
declare abstract class Raw<C extends ContainerType = ContainerType> extends Handler<C, JsonValue, JsonValue> {
  abstract override handle(
    input: [JSONRPCRequest, ReadableStream<Uint8Array>],
    cancel: Cancel,
    meta: CallMeta | undefined,
    ctx: CallContext
  ): Promise<[JsonValue, ReadableStream<Uint8Array>]>
}

/** One message in, one out, as a class: `class Square extends UnaryHandler<Container, Input, Output>`. */
export const UnaryHandler = handlers.UnaryHandler as unknown as typeof Unary
export type UnaryHandler<C extends ContainerType = ContainerType, I = JsonValue, O = JsonValue> = Unary<C, I, O>
/** Many messages in, one out, as a class. */
export const ClientHandler = handlers.ClientHandler as unknown as typeof Client
export type ClientHandler<C extends ContainerType = ContainerType, I = JsonValue, O = JsonValue> = Client<C, I, O>
/** One message in, many out, as a class. */
export const ServerHandler = handlers.ServerHandler as unknown as typeof Server
export type ServerHandler<C extends ContainerType = ContainerType, I = JsonValue, O = JsonValue> = Server<C, I, O>
/** Many messages in, many out, as a class. */
export const DuplexHandler = handlers.DuplexHandler as unknown as typeof Duplex
export type DuplexHandler<C extends ContainerType = ContainerType, I = JsonValue, O = JsonValue> = Duplex<C, I, O>
/** A message and bytes in, a message and bytes out, as a class. */
export const RawHandler = handlers.RawHandler as unknown as typeof Raw
export type RawHandler<C extends ContainerType = ContainerType> = Raw<C>

/** Container, input and output of a handler's class, for the caller that belongs to it. */
export type HandlerTypes<T> =
  T extends Handler<infer C, infer I, infer O> ? { container: C; input: I; output: O } : never

interface CallerClass<T extends Uppercase<MethodKind>> {
  // Without it, a caller made inside a manifest would take its types from there: `any`.
  new (): ClassCaller<T, JsonValue, JsonValue>
  new <I, O>(): ClassCaller<T, I, O>
}

/** A method of another node that takes and gives one message: `new UnaryCaller<Input, Output>()`. */
export const UnaryCaller = callers.UnaryCaller as unknown as CallerClass<'UNARY'>
export type UnaryCaller<I = JsonValue, O = JsonValue> = ClassCaller<'UNARY', I, O>
export const ClientCaller = callers.ClientCaller as unknown as CallerClass<'CLIENT'>
export type ClientCaller<I = JsonValue, O = JsonValue> = ClassCaller<'CLIENT', I, O>
export const ServerCaller = callers.ServerCaller as unknown as CallerClass<'SERVER'>
export type ServerCaller<I = JsonValue, O = JsonValue> = ClassCaller<'SERVER', I, O>
export const DuplexCaller = callers.DuplexCaller as unknown as CallerClass<'DUPLEX'>
export type DuplexCaller<I = JsonValue, O = JsonValue> = ClassCaller<'DUPLEX', I, O>
export const RawCaller = callers.RawCaller as unknown as CallerClass<'RAW'>
export type RawCaller<I = JsonValue, O = JsonValue> = ClassCaller<'RAW', I, O>

/** The kind of a handler that is an object of one of the classes. */
export function handlerKind(handler: unknown): MethodKind | undefined {
  if (handler instanceof UnaryHandler) return 'unary'
  if (handler instanceof ClientHandler) return 'client'
  if (handler instanceof ServerHandler) return 'server'
  if (handler instanceof DuplexHandler) return 'duplex'
  return handler instanceof RawHandler ? 'raw' : undefined
}

/** The kind of a caller that is an object of one of the classes. */
export function callerKind(caller: unknown): MethodKind | undefined {
  const type = (caller as Partial<ClassCaller> | null | undefined)?.type
  return typeof type === 'string' ? (type.toLowerCase() as MethodKind) : undefined
}

/** Calls a handler's class with the parameters it expects. */
export function handleWithClass(kind: MethodKind, handler: ClassHandler) {
  return (call: ServedCall, input: unknown, body?: ReadableStream<Uint8Array>): unknown => {
    const cancel: Cancel = (reason) => {
      call.cancel(reason)
    }
    if (kind !== 'raw') return handler.handle(input, cancel, call.meta, call)
    // What came, unless something on the way has changed it.
    const { request: asked } = call
    const request = (asked.params === input ? asked : { ...asked, params: input }) as JSONRPCRequest
    const answer = handler.handle([request, body] as never, cancel, call.meta, call) as Promise<[unknown, unknown]>
    return answer.then(([result, output]) => ({ result, body: output }))
  }
}
