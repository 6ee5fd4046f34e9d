import {
  AbortError,
  forPlugin,
  InvalidInputError,
  PeerloomError,
  RpcCode,
  RpcError,
  type CallContext,
  type Connection,
  type MethodMap,
  type RawAnswer,
  type RawResponse
} from '#src/kernel/index.js'
import {
  type Change,
  type Call,
  onCalls,
  onAnswers,
  onItems,
  onOptions,
  onFailure,
  onHandlers,
  onViews,
  plain,
  eager
} from './altered-registry.js'

const lenient: Change = (registry) => ({
  register: (methods, options) => {
    try {
      return registry.register(methods, options)
    } catch {
      return () => undefined
    }
  }
})
const forgetful: Change = (registry) => ({
  register: (methods, options) => {
    registry.register(methods, options)
    return () => undefined
  }
})
const withoutViews: Change = (registry) => ({ [forPlugin]: () => registry })
/** Takes methods back at the stop of their plugin, and lets calls to them go on. */
const lazyViews: Change = (registry) => ({
  [forPlugin]: (consumer) => {
    const view = registry[forPlugin]({ name: consumer.name, defer: () => () => undefined })
    return {
      ...plain(view),
      register: (methods, options) => {
        const takeBack = view.register(methods, options)
        consumer.defer(takeBack)
        return takeBack
      }
    }
  }
})
const code = (wanted: string, change: (error: PeerloomError) => unknown) => (error: PeerloomError) =>
  error.code === wanted ? change(error) : error
/** Offers methods as if they did not say this of themselves. */
const deafTo =
  (option: string): Change =>
  (registry) => ({
    register: (methods, options = {}) => {
      const mute = Object.entries(methods).map(([name, method]) => [name, { ...method, [option]: undefined }])
      const { defaults = {} } = options
      return registry.register(Object.fromEntries(mute) as MethodMap, {
        ...options,
        defaults: { ...defaults, [option]: undefined }
      })
    }
  })
const other = (): Error => new PeerloomError('ACME_OTHER', 'something else')

/** For each test of the suite, a registry that it refuses. */ export const brokenRegistries: Readonly<
  Record<string, Change>
> = {
  'answers a call of each kind, in both directions on one connection': onItems(async function* (items) {
    let last: unknown
    for await (const item of items) {
      if (last !== undefined) yield last
      last = item
    }
  }),
  'takes handlers and sources of every make: plain, async, iterable': onCalls((call, kind) => (...parameters) => {
    return call(...(kind === 'duplex' ? [[...(parameters[0] as Iterable<unknown>)]] : parameters))
  }),
  'carries what is empty': onCalls((call, kind) => (...parameters) => {
    const [input] = parameters
    return kind === 'client' && Array.isArray(input) && input.length === 0
      ? Promise.reject(other())
      : call(...parameters)
  }),
  'carries JSON unchanged, and nothing as null': onAnswers(async (answer) => (await answer) ?? undefined),
  'answers many calls at a time, each with its own answer': onCalls((call, kind) => {
    let shared: unknown
    return (...parameters) => {
      if (kind !== 'unary') return call(...parameters)
      setImmediate(() => (shared = undefined))
      return (shared ??= call(...parameters))
    }
  }),
  'keeps the order of many messages': onItems(async function* (items) {
    const all: unknown[] = []
    for await (const item of items) all.push(item)
    yield* all.length < 1_000 ? all : all.reverse()
  }),
  'carries large messages and bodies unchanged': onAnswers(async (answer) => {
    const value = await answer
    return typeof value === 'string' ? value.slice(0, 65_536) : value
  }),
  'answers before the input has ended': onCalls((call, kind) => async (...parameters) => {
    if (kind === 'client') {
      const all: unknown[] = []
      for await (const item of parameters[0] as AsyncIterable<unknown>) all.push(item)
      return call(all)
    }
    return call(...parameters)
  }),
  'tells the handler who calls, and how long it may take': onHandlers((handle) => (input, context) => {
    const { signal, timer, meta } = context as CallContext
    return handle(input, { signal, timer, meta: { ...meta, connection: 'one' } })
  }),
  'asks for a connection when a call is made, and fails as that does': (registry) => {
    let found: Promise<Connection> | undefined
    return {
      client: (target, manifest, options) =>
        registry.client(typeof target === 'function' ? (given) => (found ??= target(given)) : target, manifest, options)
    }
  },
  'tells the caller the code, message and data of an RpcError': onFailure((error) =>
    error instanceof RpcError ? new RpcError(error.rpcCode, error.message) : error
  ),
  'tells the caller of another error by its message, and of a bad input by its code': onFailure((error) =>
    error instanceof RpcError ? new RpcError(RpcCode.HANDLER_FAILED, error.message) : error
  ),
  'gives an error as an instance of the class that the caller has for its code': (registry) => ({
    client: (target, manifest, options) => registry.client(target, manifest, { ...options, errors: [] })
  }),
  'sends no stack': onHandlers((handle) => (...parameters) => {
    try {
      return handle(...parameters)
    } catch (error) {
      const { message, stack } = error as Error
      throw new RpcError(1, message, { data: stack ?? '' })
    }
  }),
  'makes an RpcError of whatever is thrown': onFailure((error) => new Error(error.message)),
  'says METHOD_NOT_FOUND to a call of any kind whose method is not offered': onCalls(
    (call, kind) =>
      (...parameters) => {
        return kind === 'raw'
          ? (call(...parameters) as Promise<unknown>).catch(() => Promise.reject(other()))
          : call(...parameters)
      }
  ),
  'gives the messages that came before an error first, and nothing after it': onItems(async function* (items) {
    const all: unknown[] = []
    for await (const item of items) all.push(item)
    yield* all
  }),
  'ends a body whose source fails with an error, not as if it were whole': onCalls(
    (call, kind) =>
      async (...parameters) => {
        if (kind !== 'raw') return call(...parameters)
        const { result, body } = (await call(...parameters)) as RawResponse<unknown>
        const whole = async function* () {
          try {
            for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) yield chunk
          } catch {
            // as if it were whole
          }
        }
        return { result, body: whole() }
      }
  ),
  'refuses an input that JSON cannot say with ERR_INVALID_INPUT': onFailure(code('ERR_INVALID_INPUT', other)),
  'fails with what its source of input throws, and tells the handler': onFailure((error) => new Error(error.message)),
  'fails with a typed error if its method is of another kind and no sense can be made of it': onFailure(
    (error) => new Error(error.message)
  ),
  'lists what is offered: name, kind and who registered it': (registry) => ({
    get methods() {
      return registry.methods.map((method) => ({ ...method, kind: 'unary' }))
    }
  }),
  'takes every name of 1 to 128 letters, digits, `_`, `.` and `-`': (registry) => ({
    register: (methods, options) => {
      if ('constructor' in methods && Object.hasOwn(methods, 'constructor')) throw new InvalidInputError('taken')
      return registry.register(methods, options)
    }
  }),
  'refuses malformed and reserved names with ERR_INVALID_INPUT, on both sides': lenient,
  'refuses what is no method with ERR_INVALID_INPUT': lenient,
  'refuses a name that is taken, and then offers none of the others': (registry) => ({
    register: (methods, options) => {
      const takeBacks = Object.entries(methods).map(([name, method]) => registry.register({ [name]: method }, options))
      return () => {
        for (const takeBack of takeBacks) takeBack()
      }
    }
  }),
  'puts a namespace before each name, with a dot': (registry) => ({
    register: (methods) => registry.register(methods)
  }),
  'lets calls finish whose method is taken back, and takes no more': forgetful,
  'frees a name that is taken back, and takes back nothing of those who have it after': forgetful,
  'reads a map of methods once': onHandlers(
    (_handle, name, map) =>
      (...parameters) =>
        (map[name] as { handle: Call }).handle(...parameters)
  ),
  'gives functions for what a manifest names, and nothing else': (registry) => ({
    client: (target, manifest, options) =>
      new Proxy(registry.client(target, manifest, options), {
        get: (calls, name): unknown => (Reflect.get(calls, name) as unknown) ?? (() => new Promise(() => undefined))
      })
  }),
  'knows which plugin registered what, and shows every plugin all of it': withoutViews,
  'takes back what a plugin registered when it stops, and nothing of others': withoutViews,
  'ends the calls to a plugin that stops with CANCELLED, and no others': lazyViews,
  'ends calls to a plugin that stops though their method was taken back': lazyViews,
  'takes nothing from a plugin that has stopped, with ERR_STATE': onViews((view) => ({
    register: (methods, options) => {
      try {
        return view.register(methods, options)
      } catch {
        return () => undefined
      }
    }
  })),
  'registers nothing more with a plugin however often methods come and go': onViews((view, consumer) => ({
    register: (methods, options) => {
      const takeBack = view.register(methods, options)
      consumer.defer(takeBack)
      return takeBack
    }
  })),
  'makes no call whose signal is aborted': onOptions((options) => ({ ...options, signal: undefined as never })),
  'ends a call with the reason of its signal, and tells the handler': onFailure(
    code('ERR_ABORTED', () => new AbortError())
  ),
  'does not abort the signal of a call that went well': onHandlers((handle, _name, _map, kind) => (input, context) => {
    if (kind !== 'unary') return handle(input, context)
    const { timer, meta } = context as CallContext
    const controller = new AbortController()
    setImmediate(() => controller.abort())
    return handle(input, { timer, meta, signal: controller.signal })
  }),
  'tells the handler of an iterator that is left, and of a body that is cancelled': onItems((items) => ({
    [Symbol.asyncIterator]: () => ({ next: () => items.next() })
  })),
  'ends what waits for an iterator that is left': onItems(async function* (items) {
    for await (const item of items) yield item
  }),
  'gives up at the deadline of the caller, a number or a timer, at both ends': onOptions((options) =>
    typeof options?.timer === 'number' ? options : {}
  ),
  'gives up at the deadline of the method, the shorter of both': (registry) => ({
    register: (methods, options) => {
      const entries = Object.entries(methods).map(([name, method]) => [name, { ...method, timeoutMs: undefined }])
      return registry.register(Object.fromEntries(entries) as MethodMap, options)
    }
  }),
  'refuses a timer that tells no time with ERR_INVALID_INPUT': onOptions(() => ({})),
  'gives up a search for a connection that takes too long, and ends it': (registry) => ({
    client: (target, manifest, options) =>
      registry.client(
        typeof target === 'function' ? () => target({ signal: new AbortController().signal }) : target,
        manifest,
        options
      )
  }),
  'ends calls on a connection that closes, at both ends': onFailure(code('ERR_CONNECTION_CLOSED', other)),
  'ends the calls that others make to a node that stops, with a typed error': onFailure(
    (error) => new Error(error.message)
  ),
  'ends the calls that a node makes when it stops, and makes none after': onFailure(code('ERR_ABORTED', other)),
  'takes no more of a handler’s messages than its caller reads, and holds up no other call': onItems((items) => {
    const all = eager(items)[Symbol.asyncIterator]()
    return { ...all, next: () => all.next(), [Symbol.asyncIterator]: () => all }
  }),
  'takes no more of a caller’s messages than the handler reads': onCalls((call, kind) => (...parameters) => {
    return kind === 'client' ? call(eager(parameters[0] as AsyncIterable<unknown>)) : call(...parameters)
  }),
  'takes no more of a body than is read of it, in both directions': onHandlers(
    (handle, _name, _map, kind) =>
      (...parameters) => {
        const answer = handle(...parameters)
        if (kind !== 'raw') return answer
        const { result, body } = answer as RawAnswer<unknown>
        return { result, body: eager(body as AsyncIterable<Uint8Array>) }
      }
  ),
  'answers BUSY beyond a rate, with the time after which to come again': onFailure(
    (error) => new RpcError(RpcCode.BUSY, error.message)
  ),
  'answers BUSY beyond the calls of a method at a time': deafTo('limits'),
  'refuses an input that is too long or too deep for its method with INVALID_PARAMS': deafTo('limits'),
  'ends a streaming call that stands still, at both ends': deafTo('idleTimeoutMs'),
  'answers FORBIDDEN to whom a method is not for, or METHOD_NOT_FOUND if it is hidden': deafTo('hidden'),
  'gives handlers of every kind what their schema gives, and refuses what it refuses': deafTo('input'),
  'gives callers what their schema gives, and fails if it refuses the answer': (registry) => ({
    client: (target, manifest, options) => {
      const mute = Object.entries(manifest).map(([name, method]) => [name, { ...method, output: undefined }])
      return registry.client(target, Object.fromEntries(mute) as never, options)
    }
  }),
  'runs middleware in its order, on both sides, for calls of every kind, and tells each end': (registry) => ({
    client: (target, manifest, options) => registry.client(target, manifest, { ...options, use: [] })
  }),
  'lets middleware refuse a call': (registry) => ({
    register: (methods, options) => registry.register(methods, { ...options, use: [] })
  }),
  'takes the middleware of a plugin back when it stops': onViews((view) => ({
    use: (middleware) => {
      view.register({ stays: { kind: 'unary', handle: () => 1 } }, { use: [middleware] })
      return () => undefined
    }
  })),
  'lists to a peer what that may call, and nothing else': deafTo('allow')
}
