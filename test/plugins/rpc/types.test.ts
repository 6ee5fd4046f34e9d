import {
  client,
  duplex,
  raw,
  server,
  unary,
  type MethodDescription,
  type Middleware,
  type RawAnswer,
  type RawResponse,
  RpcError,
  type RpcErrorOptions,
  type RpcRegistry,
  type ServerMiddleware
} from '#src/kernel/index.js'
import { z } from 'zod'
import { UnaryCaller, UnaryHandler, type ContainerType } from '#src/plugins/rpc/index.js'

// Checked by the compiler alone: nothing here is run.

const manifest = {
  square: unary<{ value: number }, { value: number }>(),
  sum: client<number, number>(),
  count: server<number, string>(),
  chat: duplex<string, string>(),
  file: raw<{ name: string }, { size: number }>(),
  asClass: new UnaryCaller<{ a: string }, { b: boolean }>()
}

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
/** Compiles if the value has exactly the type. */
function hasType<T>() {
  return <V>(value: V, same: Same<V, T>): [V, boolean] => [value, same]
}

export async function misuse(registry: RpcRegistry): Promise<void> {
  const remote = registry.client(() => Promise.reject(new Error('never')), manifest)

  const squared = await remote.square({ value: 1 })
  hasType<{ value: number }>()(squared, true)
  // @ts-expect-error a wrong input
  await remote.square({ value: 'one' })
  // @ts-expect-error no input at all
  await remote.square()
  // @ts-expect-error a method that is not in the manifest
  remote.cube
  // @ts-expect-error a timer is milliseconds, or can tell them
  await remote.square({ value: 1 }, { timer: '1 s' })

  const sum = await remote.sum([1, 2])
  hasType<number>()(sum, true)
  // @ts-expect-error one message where many are wanted
  await remote.sum(1)

  for await (const text of remote.count(3)) hasType<string>()(text, true)
  // @ts-expect-error many messages cannot be awaited as one
  hasType<Promise<string>>()(remote.count(3), true)

  for await (const text of remote.chat(['a'])) hasType<string>()(text, true)
  // @ts-expect-error a wrong item
  remote.chat([1])

  const answer = await remote.file({ name: 'a' }, [new Uint8Array(1)])
  hasType<RawResponse<{ size: number }>>()(answer, true)
  // @ts-expect-error a body is bytes
  await remote.file({ name: 'a' }, ['text'])

  const flag = await remote.asClass({ a: '' })
  hasType<{ b: boolean }>()(flag, true)
  // @ts-expect-error a wrong input
  await remote.asClass({ a: 1 })

  // @ts-expect-error a handler is a method, not a bare function
  registry.register({ square: (input: number) => input })
  // @ts-expect-error a wrong output
  unary<number, number>(() => 'text')

  class Wrong extends UnaryHandler<ContainerType, { value: number }, { value: number }> {
    // @ts-expect-error a wrong output
    override handle = (input: { value: number }): Promise<{ value: string }> =>
      Promise.resolve({ value: String(input.value) })
  }
  registry.register({ wrong: new Wrong({}) })
  // @ts-expect-error a rate has a number a second
  unary(() => 1, { limits: { rate: { burst: 1 } } })
  // @ts-expect-error an access rule gives a boolean
  unary(() => 1, { allow: () => 'yes' })
  // @ts-expect-error a caller has no defaults for handlers
  registry.client(() => Promise.reject(new Error('never')), manifest, { defaults: {} })

  const byte = z.number().max(255)
  const checked = {
    add: unary({ input: z.object({ n: z.string().transform(Number) }), output: byte }, ({ n }) => n),
    count: server({ input: byte }, function* (to) {
      yield String(to)
    }),
    all: client({ input: byte }, (numbers) => {
      hasType<AsyncIterableIterator<number>>()(numbers, true)
      return true
    }),
    remote: duplex({ output: z.string() })
  }
  const typed = registry.client(() => Promise.reject(new Error('never')), checked)
  hasType<number>()(await typed.add({ n: '1' }), true)
  // @ts-expect-error a wrong input by its schema
  await typed.add({ n: 1 })
  for await (const text of typed.count(3)) hasType<string>()(text, true)
  hasType<boolean>()(await typed.all([1]), true)
  for await (const text of typed.remote([])) hasType<string>()(text, true)
  // @ts-expect-error an output that the schema does not take
  unary({ output: byte }, () => 'text')
  // @ts-expect-error a handler of something else than the schema gives
  unary({ input: byte }, (text: string) => text)
  // @ts-expect-error what is no schema
  unary({ input: 'number' }, () => 1)

  registry.use(async (call) => {
    hasType<string>()(call.plugin, true)
    // @ts-expect-error middleware of a server has no options of a caller
    call.options
    if (call.kind === 'duplex') {
      hasType<AsyncIterable<unknown>>()(call.input, true)
      hasType<AsyncIterable<unknown>>()(await call.next(), true)
    }
    if (call.kind === 'raw') hasType<RawAnswer<unknown>>()(await call.next(), true)
    // @ts-expect-error a stream of items takes a stream of items
    if (call.kind === 'client') return call.next({ input: 7 })
    return call.next()
  })
  const either: Middleware = (call) => call.next()
  registry.register({}, { use: [either] })
  registry.client(() => Promise.reject(new Error('never')), manifest, { use: [either] })
  const ofServer: ServerMiddleware = (call) => call.next()
  // @ts-expect-error middleware of the other side
  registry.client(() => Promise.reject(new Error('never')), manifest, { use: [ofServer] })

  class Known extends RpcError {
    static readonly rpcCode = 1
    constructor(message: string, options?: RpcErrorOptions) {
      super(Known.rpcCode, message, options)
    }
  }
  unary(() => 1, { errors: [Known] })
  // @ts-expect-error a class without a code
  unary(() => 1, { errors: [RpcError] })
  // @ts-expect-error errors that are no RpcError
  registry.client(() => Promise.reject(new Error('never')), manifest, { errors: [TypeError] })

  hasType<MethodDescription[]>()(await registry.methodsOf(() => Promise.reject(new Error('never'))), true)

  await remote.square({ value: 1 }, { retry: { attempts: 2 }, hedge: { afterMs: 10 } })
  // @ts-expect-error a hedge without its time
  await remote.square({ value: 1 }, { hedge: { max: 2 } })
  // @ts-expect-error codes are numbers
  registry.client(() => Promise.reject(new Error('never')), manifest, { retry: { codes: ['BUSY'] } })

  remote.count(3, { idleTimeoutMs: 1000 })
  // @ts-expect-error an idle limit is milliseconds
  remote.count(3, { idleTimeoutMs: '1 s' })

  // @ts-expect-error a handler that handles nothing
  class Missing extends UnaryHandler<ContainerType, null, null> {}
  registry.register({ missing: new Missing({}) })
}

/** Only messages that are bytes by their types can be declared as such. */
export async function bytes(registry: RpcRegistry): Promise<void> {
  const methods = {
    digest: unary(async (data: Uint8Array) => Promise.resolve({ length: data.length }), { binary: 'input' }),
    image: server<{ id: string }, Uint8Array>(undefined, { binary: 'output', timeoutMs: 1 }),
    pass: duplex<Uint8Array, Uint8Array>(undefined, { binary: 'both' }),
    half: duplex<Uint8Array, Uint8Array>(undefined, { binary: 'input' })
  }
  const remote = registry.client(() => Promise.reject(new Error('never')), methods)
  hasType<{ length: number }>()(await remote.digest(new Uint8Array(1)), true)
  for await (const bytes of remote.image({ id: 'a' })) hasType<Uint8Array>()(bytes, true)

  // @ts-expect-error neither side is bytes
  unary<number, number>(undefined, { binary: 'input' })
  // @ts-expect-error the output is not
  unary<Uint8Array, number>(undefined, { binary: 'both' })
  // @ts-expect-error the input is not
  client<number, Uint8Array>(undefined, { binary: 'input' })
  // @ts-expect-error raw methods have bytes anyway
  raw<Uint8Array, Uint8Array>(undefined, { binary: 'both' })
}
