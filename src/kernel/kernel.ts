import type { Observable } from 'rxjs'
import type { DependencyContainer } from 'tsyringe'
import { fromClass, type PluginClass } from './class-plugin.js'
import { Clock, systemClock, withDeadline } from './clock.js'
import { checkConfigurations } from './configuration.js'
import { makeContainer } from './container.js'
import { abortReason, AbortError, KernelError, LifecycleError, messageOf, type PeerloomError } from './errors.js'
import { EventHub } from './event-hub.js'
import type { EventMap, EventType, KernelEvent } from './events.js'
import { buildGraph } from './graph.js'
import { silentLogger, type Logger } from './log.js'
import { type Health, type Launched, type Plugin } from './plugin.js'
import { Random, systemRandom } from './random.js'
import type { Surroundings } from './scope.js'
import { Session } from './session.js'
import { tokenName, type AnyToken, type Token } from './token.js'

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

const HEALTH_TIMEOUT_MS = 1_000

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
   * `ERR_CONFIG`, `ERR_ABORTED`, and `ERR_STATE` while stopping. Does nothing if started; joins a start under way, which only the signal of its
   * first caller gives up.
   */
  async start(options: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    if (this.#state === 'started') return
    if (this.#state === 'stopping')
      throw new KernelError('ERR_STATE', 'cannot start while stopping; await stop() first')
    if (this.#starting !== undefined) {
      await this.#joined(this.#starting, options.signal)
      return
    }
    this.#starting = this.#start(options.signal).finally(() => {
      this.#starting = undefined
    })
    await this.#starting
  }

  /** Waits for a start that another caller has begun; an aborted signal ends this waiting alone. */
  async #joined(start: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
    await withDeadline(this.#around.clock, Infinity, () => start, { signal })
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
      const session = new Session(graph, configurations, this.#builtIn, this.#around)
      this.#session = session
      this.#emit('kernel.starting', { plugins: graph.order.length })
      await session.start(failure)
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

  /**
   * Stops all plugins in the reverse of the order in which they began, each with a deadline. One that throws keeps no other
   * from stopping; then `ERR_STOP` is thrown with all that went wrong. Does nothing if not started; a start under way
   * is given up.
   */
  async stop(): Promise<void> {
    this.#abortStart?.(new AbortError('the kernel was stopped while starting'))
    // Not awaited without need: until then, a start would still find the kernel started.
    if (this.#starting !== undefined) await this.#starting.catch(() => undefined)
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
      const errors = await session.stop()
      if (errors.length > 0) {
        const message = `failed while stopping: ${errors.map(messageOf).join('; ')}`
        const cause = errors.length === 1 ? errors[0] : new AggregateError(errors)
        throw new LifecycleError('ERR_STOP', message, session.outcomes, { cause })
      }
    } finally {
      this.#session = undefined
      this.#state = 'idle'
      this.#emit('kernel.stopped', { ms: this.#since(begun) })
    }
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
    return session.resolve(token) as T | undefined
  }

  /** Asks every plugin how it is. Never rejects; a plugin that does not answer within a second is not ready. */
  async health(): Promise<KernelHealth> {
    const state = this.#state
    const entries = await Promise.all(
      this.#plugins.map(async (plugin): Promise<[string, Health]> => {
        const launched = this.#session?.launched(plugin)
        if (launched === undefined) return [plugin.name, { ready: false, detail: 'not started' }]
        return [plugin.name, await this.#healthOf(launched)]
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
