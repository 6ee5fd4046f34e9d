import { SetMetadata } from '@nestjs/common'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { AnyMethod, Handlers, Method, MethodKind } from 'peerloom'

/** Methods as both sides know them: made with `unary`, `server`, …, by name. */
export type Api = Readonly<Record<string, AnyMethod>>

/** What a handler of a method looks like. */
type HandlerOf<M> = M extends Method<infer K, infer I, infer O> ? Handlers<I, O>[K] : never
type InputOf<M> = M extends Method<MethodKind, infer I> ? I : never

export interface RpcHandlerOptions<I> {
  /** Any Standard Schema. An input, or an item of the input, that it refuses ends the call with INVALID_PARAMS. */
  readonly input?: StandardSchemaV1<unknown, I>
}

/** What is noted of a handler for whoever looks for it. */
export interface RpcHandlerMetadata {
  readonly name: string
  readonly method: AnyMethod
  readonly input: StandardSchemaV1 | undefined
}

export const RPC_HANDLER = Symbol('peerloom.rpc-handler')

/**
 * Offers a method of a provider or controller to other nodes, under its name in the API that both sides share. A
 * method whose parameters or result do not fit the API does not compile.
 *
 * @example
 * @RpcHandler(calculatorApi, 'square', { input: z.object({ value: z.number() }) })
 * square({ value }: { value: number }) { return { value: value ** 2 } }
 */
export function RpcHandler<A extends Api, N extends keyof A & string>(
  api: A,
  name: N,
  { input }: RpcHandlerOptions<InputOf<A[N]>> = {}
): <H extends HandlerOf<A[N]>>(target: object, key: string, descriptor: TypedPropertyDescriptor<H>) => void {
  const metadata: RpcHandlerMetadata = { name, method: api[name] as AnyMethod, input }
  return (target, key, descriptor) => {
    SetMetadata(RPC_HANDLER, metadata)(target, key, descriptor)
  }
}
