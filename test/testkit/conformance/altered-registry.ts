import {
  forPlugin,
  type Consumer,
  type MethodMap,
  type PerConsumer,
  type PeerloomError,
  type RpcRegistry
} from '#src/kernel/index.js'
import type { RpcEnd } from '#src/testkit/index.js'

export type Change = (
  registry: RpcRegistry & PerConsumer<RpcRegistry>
) => Partial<RpcRegistry & PerConsumer<RpcRegistry>>
export type Call = (...parameters: unknown[]) => unknown
export type Items = AsyncIterableIterator<unknown>
export type Options = { signal?: AbortSignal; timer?: unknown } | undefined

/** Changes the functions that calls are made by. */
export const onCalls =
  (change: (call: Call, kind: string) => Call): Change =>
  (registry) => ({
    client: (target, manifest, options) => {
      const calls = Object.entries(registry.client(target, manifest, options)).map(
        ([name, call]) => [name, change(call as Call, (manifest[name] as { kind: string }).kind)] as const
      )
      return Object.fromEntries(calls) as never
    }
  })

/** Changes the calls that give one answer. */
export const onAnswers = (change: (answer: Promise<unknown>) => Promise<unknown>): Change =>
  onCalls((call, kind) =>
    kind === 'unary' || kind === 'client' ? (...parameters) => change(call(...parameters) as Promise<unknown>) : call
  )

/** Changes the calls that give many messages. */
export const onItems = (change: (items: Items) => AsyncIterable<unknown>): Change =>
  onCalls((call, kind) =>
    kind === 'server' || kind === 'duplex' ? (...parameters) => change(call(...parameters) as Items) : call
  )

/** Changes the options of all calls. */
export const onOptions = (change: (options: Options) => Options): Change =>
  onCalls((call, kind) => (...parameters) => {
    const at = kind === 'raw' ? 2 : 1
    const all = [...parameters]
    if (all.length > at) all[at] = change(all[at] as Options)
    return call(...all)
  })

/** Changes how calls of every kind fail. */
export const onFailure = (change: (error: PeerloomError) => unknown): Change =>
  onCalls((call, kind) => (...parameters) => {
    const rethrow = (error: unknown): never => {
      throw change(error as PeerloomError)
    }
    const result = call(...parameters)
    if (kind !== 'server' && kind !== 'duplex') return (result as Promise<unknown>).catch(rethrow)
    const items = result as Items
    return {
      next: () => items.next().catch(rethrow),
      return: () => items.return?.(),
      [Symbol.asyncIterator]() {
        return this
      }
    }
  })

/** Changes the handlers that are offered. */
export const onHandlers =
  (change: (handle: Call, name: string, map: MethodMap, kind: string) => Call): Change =>
  (registry) => ({
    register: (methods, options) => registry.register(handlersOf(methods, change), options),
    [forPlugin]: (consumer) => {
      const view = registry[forPlugin](consumer)
      return { ...plain(view), register: (methods, options) => view.register(handlersOf(methods, change), options) }
    }
  })

function handlersOf(methods: MethodMap, change: (handle: Call, name: string, map: MethodMap, kind: string) => Call) {
  const entries = Object.entries(methods).map(([name, method]) => {
    const { handle, kind } = (method as unknown as { handle?: Call; kind: string } | null | undefined) ?? { kind: '' }
    return [name, handle === undefined ? method : { ...method, handle: change(handle, name, methods, kind) }]
  })
  return Object.fromEntries(entries) as MethodMap
}

/** Changes the views that plugins get. */
export const onViews =
  (change: (view: RpcRegistry, consumer: Consumer) => Partial<RpcRegistry>): Change =>
  (registry) => ({
    [forPlugin]: (consumer) => {
      const view = registry[forPlugin](consumer)
      return { ...plain(view), ...change(view, consumer) }
    }
  })

export function plain(registry: RpcRegistry) {
  return {
    register: registry.register.bind(registry),
    client: registry.client.bind(registry),
    use: registry.use.bind(registry),
    methodsOf: registry.methodsOf.bind(registry),
    get methods() {
      return registry.methods
    }
  }
}

/** Reads a source to its end, whoever wants it. */
export function eager<T>(source: AsyncIterable<T>): AsyncIterable<T> {
  const items: T[] = []
  const state = { done: false }
  const reading = (async () => {
    for await (const item of source) items.push(item)
  })().finally(() => (state.done = true))
  reading.catch(() => undefined)
  return (async function* () {
    while (!state.done || items.length > 0) {
      if (items.length > 0) yield items.shift() as T
      else await new Promise((resolve) => setImmediate(resolve))
    }
  })()
}

/** One end of a pair with its registry changed. */
export function altered(end: RpcEnd, change: Change): RpcEnd {
  const registry = end.registry as RpcRegistry & PerConsumer<RpcRegistry>
  const changed = {
    ...plain(registry),
    [forPlugin]: (consumer: Consumer) => registry[forPlugin](consumer)
  }
  for (const object of [plain(registry), change(registry)]) {
    Object.defineProperties(changed, Object.getOwnPropertyDescriptors(object))
  }
  return { ...end, registry: changed }
}
