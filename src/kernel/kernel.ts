import type { Observable } from 'rxjs'
import type { DependencyContainer } from 'tsyringe'
import { fromClass, type PluginClass } from './class-plugin.js'
import { Clock, systemClock, withDeadline } from './clock.js'
import { checkConfigurations } from './configuration.js'
import { makeContainer } from './container.js'
import {
  abortReason,
  AbortError,
  DeadlineError,
  KernelError,
  LifecycleError,
  messageOf,
  type PeerloomError,
  type PluginOutcome
} from './errors.js'
import { EventHub, type EventMap, type EventType, type KernelEvent } from './events.js'
import { buildGraph, type Graph } from './graph.js'
import { silentLogger, type Logger } from './log.js'
import { viewFor, type Health, type Launched, type Plugin } from './plugin.js'
import { Random, systemRandom } from './random.js'
import { Scope, type Surroundings } from './scope.js'
import { tokenName, type AnyToken, type Token } from './token.js'
import { walk } from './walk.js'

export interface KernelOptions {
  /** The plugins, in any order. */
  readonly plugins: readonly (Plugin | PluginClass)[]
  readonly clock?: Clock
  readonly random?: Random
  readonly log?: Logger
}

export type KernelState = 'idle' | 'starting' | 'started' | 'stopping'

/** The health of a kernel and of each plugin. */
export interface KernelHealth extends Health {
  readonly state: KernelState
  readonly plugins: Readonly<Record<string, Health>>
}

/** A plugin that is being started or has started. */
interface Running {
  readonly plugin: Plugin
  readonly scope: Scope
  readonly begun: number
  launched?: Launched
  /** What it provides, by token. */
  readonly provided: Map<AnyToken, unknown>
}

/** One start, from its beginning until everything has been stopped again. */
interface Session {
  readonly graph: Graph
  readonly configurations: ReadonlyMap<Plugin, unknown>
  readonly running: Map<Plugin, Running>
  readonly outcomes: Map<Plugin, PluginOutcome>
  /** Belongs to whoever resolves from outside; ends before any plugin stops. */
  readonly application: Scope
  readonly views: Map<AnyToken, unknown>
}

const HEALTH_TIMEOUT_MS = 1_000
const APPLICATION_STOP_TIMEOUT_MS = 5_000

/**
 * Starts plugins in the order their dependencies ask for, injects their contracts, and stops them in reverse.
 *
 * @example
 * const kernel = createKernel({ plugins: [memoryStore, greeter] })
 * await kernel.start()
 * const store = kernel.resolve(Store)
 * await kernel.stop()
 */
export class Kernel implements AsyncDisposable {
  readonly #plugins: readonly Plugin[]
  readonly #around: Surroundings
  readonly #builtIn: ReadonlyMap<AnyToken, unknown>
  #state: KernelState = 'idle'
  #session: Session | undefined
  #starting: Promise<void> | undefined
  #stopping: Promise<void> | undefined
  #abortStart: ((reason: PeerloomError) => void) | undefined
  #container: DependencyContainer | undefined

  constructor({ plugins, clock = systemClock, random = systemRandom, log = silentLogger }: KernelOptions) {
    this.#plugins = plugins.map((plugin) => (typeof plugin === 'function' ? fromClass(plugin) : plugin))
    this.#around = { clock, random, log, hub: new EventHub(clock, log) }
    this.#builtIn = new Map<AnyToken, unknown>([
      [Clock, clock],
      [Random, random]
    ])
  }

  get state(): KernelState {
    return this.#state
  }

  /** Everything that happens, from every plugin. It spans restarts; a subscriber that throws harms nobody. */
  get events(): Observable<KernelEvent> {
    return this.#around.hub.events
  }

  /**
   * A tsyringe container of this kernel's own that resolves every contract to its present provider, for code that is
   * built by tsyringe. It holds factories, never instances.
   */
  get container(): DependencyContainer {
    const tokens = [...this.#builtIn.keys(), ...this.#plugins.flatMap((plugin) => Object.values(plugin.provides))]
    return (this.#container ??= makeContainer(new Set(tokens), (token) => this.resolve(token)))
  }

  /**
   * Checks the graph and every configuration, then starts all plugins as parallel as their dependencies allow. If one
   * fails, stops those that had started and throws `ERR_START` with every plugin's outcome. Also throws `ERR_GRAPH`,
   * `ERR_CONFIG`, `ERR_ABORTED`, and `ERR_STATE` while stopping. Does nothing if started; joins a start under way.
   */
  async start(options: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    if (this.#state === 'started') return
    if (this.#state === 'stopping')
      throw new KernelError('ERR_STATE', 'cannot start while stopping; await stop() first')
    this.#starting ??= this.#start(options.signal).finally(() => {
      this.#starting = undefined
    })
    await this.#starting
  }

  async #start(signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted === true) throw abortReason(signal)
    const begun = this.#around.clock.monotonic()
    this.#state = 'starting'
    let onAbort: (() => void) | undefined
    try {
      const failure = new Promise<PeerloomError>((resolve) => {
        this.#abortStart = resolve
        onAbort = () => {
          if (signal !== undefined) resolve(abortReason(signal))
        }
        signal?.addEventListener('abort', onAbort, { once: true })
      })
      const graph = buildGraph(this.#plugins, new Set(this.#builtIn.keys()))
      const configurations = await checkConfigurations(graph.order)
      const session: Session = {
        graph,
        configurations,
        running: new Map(),
        outcomes: new Map(),
        application: new Scope('application', this.#around),
        views: new Map()
      }
      this.#session = session
      this.#emit('kernel.starting', { plugins: graph.order.length })
      await this.#startAll(session, failure)
      this.#state = 'started'
      this.#emit('kernel.started', { ms: this.#since(begun) })
    } catch (error) {
      this.#session = undefined
      this.#state = 'idle'
      throw error
    } finally {
      this.#abortStart = undefined
      if (onAbort !== undefined) signal?.removeEventListener('abort', onAbort)
    }
  }

  async #startAll(session: Session, aborted: Promise<PeerloomError>): Promise<void> {
    const { graph, running, outcomes } = session
    let failed: { plugin?: Plugin; error: unknown } | undefined
    let giveUp: () => void = () => undefined
    const givenUp = new Promise<void>((resolve) => (giveUp = resolve))
    const fail = (error: unknown, plugin?: Plugin): void => {
      if (failed !== undefined) return
      failed = plugin === undefined ? { error } : { plugin, error }
      giveUp()
    }
    void aborted.then((reason) => {
      fail(reason)
    })
    const walked = walk(graph.order, graph.dependencies, graph.dependents, (plugin) => {
      if (failed !== undefined) return false
      return this.#launch(session, plugin, (error) => {
        fail(error, plugin)
      })
    })
    await Promise.race([walked, givenUp])
    if (failed === undefined) return
    for (const plugin of graph.order) {
      if (outcomes.has(plugin)) continue
      const begun = running.get(plugin)?.begun
      outcomes.set(plugin, {
        plugin: plugin.name,
        outcome: begun === undefined ? 'not started' : 'aborted',
        ms: begun === undefined ? 0 : this.#since(begun)
      })
    }
    const errors = await this.#stopAll(session)
    for (const error of errors) this.#around.log.error('a plugin failed while being stopped again', error)
    const { plugin, error } = failed
    if (plugin === undefined) throw error
    throw new LifecycleError(
      'ERR_START',
      `plugin ${plugin.name} failed to start: ${messageOf(error)}`,
      [...outcomes.values()],
      {
        cause: error
      }
    )
  }

  /** Starts one plugin. Its deadline covers its own start alone, so a plugin that hangs is blamed by its own name. */
  #launch(session: Session, plugin: Plugin, fail: (error: unknown) => void): boolean | Promise<boolean> {
    const { clock } = this.#around
    const scope = new Scope(plugin.name, this.#around)
    const running: Running = { plugin, scope, begun: clock.monotonic(), provided: new Map() }
    session.running.set(plugin, running)
    this.#emit('plugin.starting', { name: plugin.name })
    const failed = (error: unknown): boolean => {
      const ms = this.#since(running.begun)
      session.outcomes.set(plugin, { plugin: plugin.name, outcome: 'failed', ms, error })
      this.#emit('plugin.failed', { name: plugin.name, ms, error })
      fail(error)
      return false
    }
    const started = (launched: Launched): boolean => {
      try {
        this.#accept(running, launched)
      } catch (error) {
        return failed(error)
      }
      const ms = this.#since(running.begun)
      session.outcomes.set(plugin, { plugin: plugin.name, outcome: 'started', ms })
      this.#emit('plugin.started', { name: plugin.name, ms })
      return true
    }
    try {
      const dependencies = this.#inject(session, plugin, scope)
      const launched = plugin.launch(dependencies, scope.context(session.configurations.get(plugin)))
      if (!(launched instanceof Promise)) return started(launched)
      return new Promise<boolean>((resolve) => {
        let settled = false
        const settle = (outcome: () => boolean): void => {
          // A start that was given up on may still finish; its scope is closed by then.
          if (settled) return
          settled = true
          timer.clear()
          resolve(session.outcomes.has(plugin) ? false : outcome())
        }
        const timer = clock.setTimeout(() => {
          settle(() =>
            failed(new DeadlineError(`plugin ${plugin.name} did not start within ${String(plugin.startTimeout)} ms`))
          )
        }, plugin.startTimeout)
        scope.defer(() => {
          timer.clear()
        })
        launched.then(
          (value) => {
            settle(() => started(value))
          },
          (error: unknown) => {
            settle(() => failed(error))
          }
        )
      })
    } catch (error) {
      return failed(error)
    }
  }

  /** A plugin's dependencies by name, each in the view that belongs to this plugin. */
  #inject(session: Session, plugin: Plugin, scope: Scope): Record<string, unknown> {
    const dependencies: Record<string, unknown> = {}
    for (const [name, token] of [...Object.entries(plugin.optional), ...Object.entries(plugin.needs)]) {
      const implementation = this.#find(session, token)
      if (implementation !== undefined) dependencies[name] = viewFor(implementation, scope)
    }
    return dependencies
  }

  #find(session: Session, token: AnyToken): unknown {
    const provider = session.graph.providers.get(token)
    return provider === undefined ? this.#builtIn.get(token) : session.running.get(provider)?.provided.get(token)
  }

  /** Keeps what a plugin returned, if it is what the plugin said it would provide. */
  #accept(running: Running, launched: Launched): void {
    const { plugin, provided } = running
    const promised = Object.entries(plugin.provides)
    const returned = (launched.provided ?? {}) as Record<string, unknown>
    const extra = Object.keys(typeof returned === 'object' ? returned : {}).filter((name) => !(name in plugin.provides))
    const missing = promised.filter(([name]) => returned[name] === undefined || returned[name] === null)
    if (missing.length > 0 || (extra.length > 0 && promised.length > 0)) {
      const said = [...missing.map(([name]) => `no ${name}`), ...extra.map((name) => `an unexpected ${name}`)]
      throw new KernelError('ERR_PLUGIN', `plugin ${plugin.name} returned ${said.join(', ')} from start`)
    }
    for (const [name, token] of promised) provided.set(token, returned[name])
    running.launched = launched
  }

  /**
   * Stops all plugins in the reverse of the order in which they began, each with a deadline. One that throws keeps no other
   * from stopping; then `ERR_STOP` is thrown with all that went wrong. Does nothing if not started; a start under way
   * is given up.
   */
  async stop(): Promise<void> {
    this.#abortStart?.(new AbortError('the kernel was stopped while starting'))
    await this.#starting?.catch(() => undefined)
    this.#stopping ??= this.#stop().finally(() => {
      this.#stopping = undefined
    })
    await this.#stopping
  }

  async #stop(): Promise<void> {
    const session = this.#session
    if (session === undefined || this.#state !== 'started') return
    const begun = this.#around.clock.monotonic()
    this.#state = 'stopping'
    this.#emit('kernel.stopping', {})
    try {
      const errors = await this.#stopAll(session)
      if (errors.length > 0) {
        throw new LifecycleError(
          'ERR_STOP',
          `failed while stopping: ${errors.map(messageOf).join('; ')}`,
          [...session.outcomes.values()],
          {
            cause: errors.length === 1 ? errors[0] : new AggregateError(errors)
          }
        )
      }
    } finally {
      this.#session = undefined
      this.#state = 'idle'
      this.#emit('kernel.stopped', { ms: this.#since(begun) })
    }
  }

  /** Closes the scope of every plugin that was begun, in reverse. Returns what went wrong. */
  async #stopAll({ running, outcomes, application, views }: Session): Promise<unknown[]> {
    const errors: unknown[] = [...(await application.close(APPLICATION_STOP_TIMEOUT_MS))]
    views.clear()
    // A plugin begins when all that it needs has started, so the reverse of the beginnings is a valid order.
    for (const { plugin, scope, provided } of [...running.values()].reverse()) {
      const begun = this.#around.clock.monotonic()
      const closing = scope.close(plugin.stopTimeout)
      const failures = closing instanceof Promise ? await closing : closing
      const ms = this.#since(begun)
      const error = failures[0]
      provided.clear()
      errors.push(...failures)
      if (outcomes.get(plugin)?.outcome === 'started') {
        outcomes.set(plugin, { plugin: plugin.name, outcome: 'stopped', ms, ...(error === undefined ? {} : { error }) })
      }
      this.#emit('plugin.stopped', { name: plugin.name, ms, ...(error === undefined ? {} : { error }) })
    }
    running.clear()
    return errors
  }

  /**
   * The implementation of a contract. Throws `ERR_STATE` unless started, and `ERR_GRAPH` if no plugin provides it.
   * What is registered through it is taken back when the kernel stops.
   */
  resolve<T>(token: Token<T>): T {
    const found = this.tryResolve(token)
    if (found === undefined) throw new KernelError('ERR_GRAPH', `no plugin provides ${tokenName(token)}`)
    return found
  }

  /** Like {@link resolve}, but `undefined` if no plugin provides the contract. */
  tryResolve<T>(token: Token<T>): T | undefined {
    const session = this.#session
    if (session === undefined || this.#state !== 'started') {
      throw new KernelError(
        'ERR_STATE',
        `cannot resolve ${tokenName(token)}: the kernel is ${this.#state}; await start() first`
      )
    }
    if (!session.views.has(token)) {
      session.views.set(token, viewFor(this.#find(session, token), session.application))
    }
    return session.views.get(token) as T | undefined
  }

  /** Asks every plugin how it is. Never rejects; a plugin that does not answer within a second is not ready. */
  async health(): Promise<KernelHealth> {
    const state = this.#state
    const entries = await Promise.all(
      this.#plugins.map(async (plugin): Promise<[string, Health]> => {
        const running = this.#session?.running.get(plugin)
        if (running?.launched === undefined) return [plugin.name, { ready: false, detail: 'not started' }]
        return [plugin.name, await this.#healthOf(running.launched)]
      })
    )
    return {
      state,
      ready: state === 'started' && entries.every(([, { ready }]) => ready),
      live: entries.every(([, { live }]) => live ?? true),
      plugins: Object.fromEntries(entries)
    }
  }

  async #healthOf({ health }: Launched): Promise<Health> {
    if (health === undefined) return { ready: true }
    try {
      return await withDeadline(this.#around.clock, HEALTH_TIMEOUT_MS, () => health())
    } catch (error) {
      return { ready: false, detail: messageOf(error) }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #emit<T extends EventType>(type: T, details: EventMap[T]): void {
    this.#around.hub.emit('kernel', type, details)
  }

  #since(begun: number): number {
    return this.#around.clock.monotonic() - begun
  }
}

/** A kernel of these plugins; nothing runs before `start()`. */
export function createKernel(options: KernelOptions): Kernel {
  return new Kernel(options)
}
