import {
  AbortError,
  checkPolicies,
  CloseCode,
  forPlugin,
  InvalidInputError,
  KernelError,
  RpcCode,
  RpcError,
  withPolicies,
  type CallOptions,
  type CallPolicies,
  type Client,
  type ClientOptions,
  type Connection,
  type Consumer,
  type Manifest,
  type MethodDescription,
  type MethodMap,
  type PerConsumer,
  type RegisterOptions,
  type RpcRegistry,
  type RpcTarget,
  type ServerMiddleware,
  type UnaryCall
} from '../../kernel/index.js'
import { withAnswer } from './answer.js'
import { callerOf } from './call.js'
import { ConnectionServer } from './connection-server.js'
import type { RpcEnvironment } from './environment.js'
import { callUnlessIdle } from './idle.js'
import { introspection, METHODS, methodsOf } from './introspection.js'
import { behind, callBehind, checkMiddleware } from './middleware.js'
import { binarySides, manifestKind, offeredMethod, wireName, type OfferedMethod } from './method.js'

/** Middleware, which may be added more than once. */
interface Added {
  readonly use: ServerMiddleware
}

/** All methods that are offered, and the connections on which they are. */
export class Registry implements RpcRegistry, PerConsumer<RpcRegistry> {
  readonly #methods = new Map<string, OfferedMethod>()
  #middleware: readonly Added[] = []
  readonly #servers = new Map<Connection, ConnectionServer>()

  constructor(private readonly environment: RpcEnvironment) {
    if (!environment.options.listMethods) return
    const all = (): Iterable<OfferedMethod> => this.#methods.values()
    this.#methods.set(METHODS, introspection(all, environment))
  }

  get methods(): RpcRegistry['methods'] {
    const all = [...this.#methods.values()].filter(({ name }) => name !== METHODS)
    return all.map(({ name, kind, plugin }) => ({ name, kind, plugin }))
  }

  /** A view whose methods, and calls to them, end with its consumer. */
  [forPlugin](consumer: Consumer): RpcRegistry {
    // eslint-disable-next-line @typescript-eslint/no-this-alias -- the getter below has a `this` of its own
    const registry = this
    const own = new Set<OfferedMethod>()
    let over = false
    consumer.defer(() => {
      over = true
      const error = new RpcError(RpcCode.CANCELLED, `plugin ${consumer.name} is stopping`, { local: true })
      this.#remove(own)
      for (const { calls } of own) for (const call of calls) call.abort(error)
    })
    return {
      get methods() {
        return registry.methods
      },
      client: (target, manifest, options) => this.client(target, manifest, options),
      methodsOf: (target, options) => this.methodsOf(target, options),
      use: (middleware) => {
        if (over) throw new KernelError('ERR_STATE', `plugin ${consumer.name} has stopped: it cannot add middleware`)
        const off = this.use(middleware)
        const forget = consumer.defer(off, 'middleware')
        return () => {
          off()
          forget()
        }
      },
      register: (methods, options) => {
        // Nobody would take them back.
        if (over) throw new KernelError('ERR_STATE', `plugin ${consumer.name} has stopped: it cannot offer methods`)
        const offered = this.#add(consumer.name, methods, options)
        // Those that were taken back are kept only while calls to them are under way.
        for (const method of own) if (!this.#offers(method) && method.calls.size === 0) own.delete(method)
        const forget = offered.map((method) => {
          own.add(method)
          return consumer.defer(() => {
            this.#remove([method])
          }, `method ${method.name}`)
        })
        return () => {
          this.#remove(offered)
          for (const off of forget) off()
        }
      }
    }
  }

  register(methods: MethodMap, options?: RegisterOptions): () => void {
    const offered = this.#add('application', methods, options)
    return () => {
      this.#remove(offered)
    }
  }

  #add(plugin: string, methods: MethodMap, options: RegisterOptions = {}): OfferedMethod[] {
    checkMap('methods', methods)
    const offered = Object.entries(methods).map(([name, method]) =>
      offeredMethod(wireName(name, options.namespace), plugin, method, options, this.environment)
    )
    for (const { name } of offered) {
      const other = this.#methods.get(name)
      if (other !== undefined) {
        throw new InvalidInputError(`method ${name} is taken by plugin ${other.plugin}: use a namespace`)
      }
    }
    for (const method of offered) {
      this.#methods.set(method.name, method)
      this.#wrap(method)
    }
    return offered
  }

  use(middleware: ServerMiddleware): () => void {
    checkMiddleware([middleware])
    const added = { use: middleware }
    this.#setMiddleware([...this.#middleware, added])
    return () => {
      this.#setMiddleware(this.#middleware.filter((each) => each !== added))
    }
  }

  #setMiddleware(middleware: readonly Added[]): void {
    this.#middleware = middleware
    for (const method of this.#methods.values()) this.#wrap(method)
  }

  #wrap(method: OfferedMethod): void {
    const all = [...this.#middleware.map(({ use }) => use), ...method.use]
    method.run = behind(all, method, method.inner, this.environment)
  }

  #offers(method: OfferedMethod): boolean {
    return this.#methods.get(method.name) === method
  }

  #remove(methods: Iterable<OfferedMethod>): void {
    for (const method of methods) if (this.#offers(method)) this.#methods.delete(method.name)
  }

  client<const M extends Manifest>(target: RpcTarget, manifest: M, options: ClientOptions = {}): Client<M> {
    const { environment } = this
    checkMap('a manifest', manifest)
    checkTarget(target)
    const use = checkMiddleware(options.use)
    const policies: CallPolicies = { retry: options.retry, hedge: options.hedge }
    checkPolicies(policies)
    const peer = options.peer ?? (typeof target === 'function' ? undefined : target.peer)
    const entries = Object.entries(manifest).map(([name, entry]) => {
      const method = wireName(name, options.namespace)
      const kind = manifestKind(name, entry)
      const binary = binarySides(name, kind, 'binary' in entry ? entry.binary : undefined)
      const call = callerOf(kind, { environment, target, method, binary }) as (...parameters: unknown[]) => unknown
      const idleMs = ('kind' in entry ? entry.idleTimeoutMs : undefined) ?? environment.options.defaultIdleTimeoutMs
      const lively = callUnlessIdle(kind, call, idleMs, environment.clock)
      const wanted = withAnswer(name, kind, entry, options, lively)
      const intercepted = callBehind(use, { method, kind, peer }, wanted, environment)
      const mayRepeat = kind === 'unary' && 'idempotent' in entry && entry.idempotent
      return [
        name,
        mayRepeat ? withPolicies(intercepted as UnaryCall, policies, () => environment) : intercepted
      ] as const
    })
    return Object.fromEntries(entries) as Client<M>
  }

  async methodsOf(target: RpcTarget, options?: CallOptions): Promise<MethodDescription[]> {
    checkTarget(target)
    return methodsOf(this.environment, target, options)
  }

  /** Answers the calls of a connection from now on. */
  serve(connection: Connection): void {
    if (this.environment.closed !== undefined || this.#servers.has(connection)) return
    this.#servers.set(connection, new ConnectionServer(connection, this.#methods, this.environment))
    void connection.closed.then(() => this.#servers.delete(connection))
  }

  /** Ends every call in both directions and takes no more. */
  close(): void {
    const error = (this.environment.closed = new AbortError('the rpc plugin has stopped'))
    for (const server of this.#servers.values()) server.close(error)
    this.#servers.clear()
    for (const call of this.environment.outgoing) call.fail(error, CloseCode.SHUTDOWN)
    this.environment.load.close()
    this.environment.lingering.close()
  }
}

function checkMap(what: string, map: unknown): void {
  if (typeof map === 'object' && map !== null) return
  throw new InvalidInputError(`expected ${what} by name, as an object`)
}

function checkTarget(target: unknown): void {
  if (typeof target === 'function') return
  if (typeof (target as Partial<Connection> | null | undefined)?.tryOpen === 'function') return
  throw new InvalidInputError('expected a connection to call on, or a function that gives one')
}
