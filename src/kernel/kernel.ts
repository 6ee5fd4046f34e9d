import { distinctUntilChanged, map, startWith, Subject, type Observable } from 'rxjs'
import type { DependencyContainer } from 'tsyringe'
import { toPlugin, type PluginClass } from './class-plugin.js'
import { Clock, systemClock, withDeadline } from './clock.js'
import { checkConfigurations } from './configuration.js'
import { KernelContainer } from './container.js'
import { describeKernel, type KernelDescription } from './describe.js'
import { abortReason, AbortError, KernelError, LifecycleError, messageOf } from './errors.js'
import { EventHub } from './event-hub.js'
import type { EventMap, EventType, KernelEvent } from './events.js'
import { GivenContracts } from './given.js'
import { buildGraph } from './graph.js'
import { GuardedObservable } from './guarded-observable.js'
import { askHealth, type KernelHealth } from './health.js'
import { silentLogger, sturdyLogger, type Logger } from './log.js'
import type { Plugin } from './plugin.js'
import { Random, systemRandom } from './random.js'
import { replaceIn } from './replacement.js'
import type { Surroundings } from './scope.js'
import { affectedBy, Session, type Plan } from './session.js'
import { tokenName, type AnyToken, type TokenType } from './token.js'

export interface KernelOptions {
  /** The plugins, in any order. */
  readonly plugins: readonly (Plugin | PluginClass)[]
  /**
   * The tsyringe container of the application that the kernel is embedded in. A contract that is registered there and
   * provided by no plugin is injected from it; the kernel registers nothing in it and never disposes of it.
   */
  readonly container?: DependencyContainer
  readonly clock?: Clock
  readonly random?: Random
  readonly log?: Logger
}

export interface KernelCallOptions {
  readonly signal?: AbortSignal | undefined
}

export type KernelState = 'idle' | 'starting' | 'started' | 'replacing' | 'stopping'

/** Replacements that may wait for their turn. */
export const MAX_WAITING_REPLACEMENTS = 64

/**
 * Starts plugins in the order their dependencies ask for, injects their contracts, replaces them while they run, and
 * stops them in reverse.
 *
 * @example
 * const kernel = createKernel({ plugins: [memoryStore, greeter] })
 * await kernel.start()
 * const store = kernel.resolve(Store)
 * await kernel.stop()
 */
export class Kernel implements AsyncDisposable {
  readonly #around: Surroundings
  readonly #own: ReadonlyMap<AnyToken, unknown>
  readonly #given: GivenContracts
  readonly #container: KernelContainer
  readonly #changes = new Subject<void>()
  #isContainerUsed = false
  #plugins: readonly Plugin[]
  #state: KernelState = 'idle'
  /** The present start of the plugins, or the last one while the kernel is idle. */
  #session: Session | undefined
  #startMs: number | undefined
  /** What is under way: one start or one replacement at a time. A stop gives it up. */
  #work: { readonly done: Promise<void>; readonly giveUp: AbortController } | undefined
  #stopping: Promise<void> | undefined
  /** How many stops there were, so that whoever waits through one notices. */
  #stops = 0
  #waiting = 0
  /** Resolves once nobody of those who wait by now does so any more. */
  #line: Promise<void> = Promise.resolve()

  constructor({ plugins, container, clock = systemClock, random = systemRandom, ...options }: KernelOptions) {
    if (!Array.isArray(plugins)) throw new KernelError('ERR_PLUGIN', 'the plugins of a kernel are a list')
    const log = sturdyLogger(options.log ?? silentLogger)
    this.#plugins = plugins.map(toPlugin)
    this.#around = { clock, random, log, hub: new EventHub(clock, log) }
    this.#own = new Map<AnyToken, unknown>([
      [Clock, clock],
      [Random, random]
    ])
    this.#given = new GivenContracts(this.#own, container)
    this.#container = new KernelContainer(container, (token) => this.resolve(token))
  }

  get state(): KernelState {
    return this.#state
  }

  /** Everything that happens, from every plugin. It spans restarts; a subscriber that throws harms nobody. */
  get events(): Observable<KernelEvent> {
    return this.#around.hub.events
  }

  /**
   * A tsyringe container of this kernel's own, a child of the one handed in, that resolves every contract to its
   * present provider, for code that is built by tsyringe. It holds factories, never instances.
   */
  get container(): DependencyContainer {
    this.#registerContracts()
    this.#isContainerUsed = true
    return this.#container.container
  }

  #registerContracts(): void {
    this.#container.add(this.#own.keys())
    for (const { provides } of this.#plugins) this.#container.add(Object.values(provides))
  }

  /**
   * Checks the graph and every configuration, then starts all plugins as parallel as their dependencies allow. If one
   * fails, stops those that had started and throws `ERR_START` with every plugin's outcome. Also throws `ERR_GRAPH`,
   * `ERR_CONFIG`, `ERR_ABORTED`, and `ERR_STATE` while stopping. Does nothing if started; joins a start under way,
   * which only the signal of its first caller gives up, and waits for a replacement to end.
   */
  async start({ signal }: KernelCallOptions = {}): Promise<void> {
    const stops = this.#stops
    while (this.#work !== undefined) {
      const { done } = this.#work
      await this.#wait(this.#state === 'starting' ? done : done.catch(() => undefined), signal)
    }
    if (this.#stopping !== undefined || stops !== this.#stops) {
      throw new KernelError('ERR_STATE', 'cannot start while stopping; await stop() first')
    }
    if (this.#state === 'started') return
    if (signal?.aborted === true) throw abortReason(signal)
    await this.#undertake((stopped) => this.#start(stopped, signal))
  }

  async #start(stopped: AbortSignal, signal: AbortSignal | undefined): Promise<void> {
    const begun = this.#around.clock.monotonic()
    this.#state = 'starting'
    this.#startMs = undefined
    try {
      const plan = await this.#plan(this.#plugins, stopped, signal)
      this.#session = new Session(plan, this.#given, this.#around)
      this.#emit('kernel.starting', { plugins: plan.graph.order.length })
      await this.#session.start(stopped, signal)
    } catch (error) {
      this.#become('idle')
      throw error
    }
    const ms = (this.#startMs = this.#since(begun))
    this.#become('started')
    this.#emit('kernel.started', { ms })
  }

  /**
   * Puts plugins in the place of others while everything else runs on. A new one takes the place of the plugin of its
   * name or, failing that, of the one that provides a contract which it provides. Those that are replaced and exactly
   * those that depend on them or on the new ones are stopped, in order, and started again; several at once are one
   * step. A plugin may be replaced by itself, which restarts it, or by itself with another configuration.
   *
   * Throws `ERR_GRAPH` and `ERR_CONFIG` before anything is touched. If a plugin does not start, or the signal is
   * aborted, what ran before is put back and `ERR_REPLACE` or the signal's reason is thrown; if not even that starts,
   * the kernel is stopped, and the message says so. Replacements take turns (`ERR_LIMIT` past 64 in line); a stop
   * gives them up (`ERR_ABORTED`, `ERR_STATE`). On an idle kernel it only changes what the next start will start.
   *
   * @example
   * await kernel.replace(udp.with({ port: 4433 }))
   * await kernel.replace([memoryNetwork, memoryTransport])
   */
  async replace(
    plugins: Plugin | PluginClass | readonly (Plugin | PluginClass)[],
    { signal }: KernelCallOptions = {}
  ): Promise<void> {
    const incoming = [plugins].flat().map((plugin) => toPlugin(plugin))
    if (this.#waiting >= MAX_WAITING_REPLACEMENTS) {
      throw new KernelError('ERR_LIMIT', `${String(this.#waiting)} replacements are in line already`)
    }
    const stops = this.#stops
    const ahead = this.#line
    let leave: () => void = () => undefined
    const left = new Promise<void>((resolve) => (leave = resolve))
    this.#line = ahead.then(() => left)
    try {
      // Also when nothing is under way: those in line may just not have noticed yet.
      if (this.#waiting++ > 0) await this.#wait(ahead, signal)
      while (this.#work !== undefined) await this.settled({ signal })
    } finally {
      this.#waiting--
      leave()
    }
    if (signal?.aborted === true) throw abortReason(signal)
    if (this.#stopping !== undefined || stops !== this.#stops) {
      throw new KernelError('ERR_STATE', 'cannot replace a plugin while stopping')
    }
    if (this.#state === 'started') await this.#undertake((stopped) => this.#replace(incoming, stopped, signal))
    else this.#plugins = this.#replaced(incoming)
  }

  async #replace(incoming: readonly Plugin[], stopped: AbortSignal, signal: AbortSignal | undefined): Promise<void> {
    const begun = this.#around.clock.monotonic()
    const session = this.#session as Session
    const before = this.#plugins
    const plugins = this.#replaced(incoming)
    const plan = await this.#plan(plugins, stopped, signal)
    if (stopped.aborted) throw abortReason(stopped)
    const names = incoming.map(({ name }) => name)
    const affected = affectedBy(session.graph, plan.graph)
    const restarting = plan.graph.order.filter((plugin) => affected.has(plugin)).map(({ name }) => name)
    this.#state = 'replacing'
    this.#plugins = plugins
    this.#emit('kernel.replacing', { plugins: names, restarting })
    const replacing = session.replace(plan, stopped, signal)
    // By now the session knows which contracts are gone for the time being.
    this.#changes.next()
    const failure = await replacing
    if (failure === undefined) {
      this.#become('started')
      this.#emit('kernel.replaced', { plugins: names, ms: this.#since(begun) })
      return
    }
    this.#plugins = before
    if (failure.restored) {
      this.#become('started')
      this.#emit('kernel.restored', { error: failure.error, ms: this.#since(begun) })
    } else if (this.#stopping === undefined) session.logErrors(await this.#shutDown(session))
    throw failure.error
  }

  /** The plugins after a replacement; throws `ERR_GRAPH` unless they fit together. */
  #replaced(incoming: readonly Plugin[]): Plugin[] {
    const plugins = replaceIn(this.#plugins, incoming)
    buildGraph(plugins, this.#given)
    return plugins
  }

  async #plan(plugins: readonly Plugin[], ...signals: readonly (AbortSignal | undefined)[]): Promise<Plan> {
    const graph = buildGraph(plugins, this.#given)
    return { graph, configurations: await checkConfigurations(graph.order, this.#around.clock, signals) }
  }

  /** Runs what may not run beside another start or replacement. */
  async #undertake(run: (stopped: AbortSignal) => Promise<void>): Promise<void> {
    const giveUp = new AbortController()
    const done = run(giveUp.signal).finally(() => {
      this.#work = undefined
    })
    this.#work = { done, giveUp }
    await done
  }

  /** Resolves once no start and no replacement is under way, however it ended. Rejects with the signal's reason alone. */
  async settled({ signal }: KernelCallOptions = {}): Promise<void> {
    while (this.#work !== undefined) {
      await this.#wait(
        this.#work.done.catch(() => undefined),
        signal
      )
    }
  }

  /** Waits for what another caller has begun; an aborted signal ends this waiting alone. */
  async #wait(work: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
    await withDeadline(this.#around.clock, Infinity, () => work, { signal })
  }

  /**
   * Stops all plugins in the reverse of the order in which they began, each with a deadline. One that throws keeps no
   * other from stopping; then `ERR_STOP` is thrown with all that went wrong. Does nothing if not started; a start or a
   * replacement under way is given up.
   */
  async stop(): Promise<void> {
    if (this.#stopping === undefined) {
      let follow: (stop: Promise<void>) => void = () => undefined
      this.#stops++
      // Set before the stop begins, since whoever is told of it may call this kernel.
      this.#stopping = new Promise((resolve) => (follow = resolve))
      follow(
        this.#stop().finally(() => {
          this.#stopping = undefined
        })
      )
    }
    await this.#stopping
  }

  async #stop(): Promise<void> {
    this.#work?.giveUp.abort(new AbortError(`the kernel was stopped while ${this.#state}`))
    // Not awaited without need: the state is to say at once that the kernel is stopping.
    if (this.#work !== undefined) await this.settled()
    const session = this.#session
    if (session === undefined || this.#state === 'idle') return
    const errors = await this.#shutDown(session)
    if (errors.length > 0) {
      const message = `failed while stopping: ${errors.map(messageOf).join('; ')}`
      const cause = errors.length === 1 ? errors[0] : new AggregateError(errors)
      throw new LifecycleError('ERR_STOP', message, session.outcomes, { cause })
    }
  }

  async #shutDown(session: Session): Promise<unknown[]> {
    const begun = this.#around.clock.monotonic()
    this.#become('stopping')
    this.#emit('kernel.stopping', {})
    const errors = await session.stop()
    this.#become('idle')
    this.#emit('kernel.stopped', { ms: this.#since(begun) })
    return errors
  }

  /**
   * The implementation of a contract. Throws `ERR_STATE` unless started and while its provider is being replaced, and
   * `ERR_GRAPH` if nobody provides it. What is registered through it is taken back when its provider or the kernel
   * stops; {@link watch} tells when there is another.
   */
  resolve<K extends AnyToken>(token: K): TokenType<K> {
    const found = this.tryResolve(token)
    if (found === undefined) throw new KernelError('ERR_GRAPH', `no plugin provides ${tokenName(token)}`)
    return found
  }

  /** Like {@link resolve}, but `undefined` if nobody provides the contract. */
  tryResolve<K extends AnyToken>(token: K): TokenType<K> | undefined {
    if (typeof token !== 'symbol') throw new KernelError('ERR_PLUGIN', `not a token: ${String(token)}`)
    const session = this.#running
    if (session === undefined) {
      throw new KernelError(
        'ERR_STATE',
        `cannot resolve ${tokenName(token)}: the kernel is ${this.#state}; await start() first`
      )
    }
    const provider = session.beingReplaced(token)
    if (provider !== undefined) {
      throw new KernelError('ERR_STATE', `cannot resolve ${tokenName(token)}: ${provider.name} is being replaced`)
    }
    return session.resolve(token) as TokenType<K> | undefined
  }

  /**
   * The implementation of a contract at each time: the present one at once, `undefined` while there is none because
   * the kernel does not run or the provider is being replaced, and then the next. It never ends by itself.
   */
  watch<K extends AnyToken>(token: K): Observable<TokenType<K> | undefined> {
    const present = (): TokenType<K> | undefined => {
      try {
        if (this.#running?.beingReplaced(token) !== undefined) return undefined
        return this.#running?.resolve(token) as TokenType<K> | undefined
      } catch (error) {
        // Its view, or what the host registered, cannot be made. The next may be better.
        this.#around.log.error(`${tokenName(token)} cannot be resolved`, error)
        return undefined
      }
    }
    return new GuardedObservable(this.#around.log, (subscriber) =>
      this.#changes.pipe(startWith(undefined), map(present), distinctUntilChanged()).subscribe(subscriber)
    )
  }

  /** The session, while contracts can be resolved. */
  get #running(): Session | undefined {
    return this.#state === 'started' || this.#state === 'replacing' ? this.#session : undefined
  }

  /** Plugins, states, times and live registrations as plain data; `printTree` and `toMermaid` draw it. */
  describe(): KernelDescription {
    const startMs = this.#startMs
    return {
      state: this.#state,
      ...(startMs === undefined ? {} : { startMs }),
      plugins: describeKernel(this.#plugins, this.#given, this.#session)
    }
  }

  /** Asks every plugin how it is. Never rejects; a plugin that does not answer within a second is not ready. */
  health(): Promise<KernelHealth> {
    return askHealth(() => this.#state, this.#plugins, this.#session, this.#around.clock)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #become(state: KernelState): void {
    this.#state = state
    // Plugins that took the place of others may provide further contracts.
    if (this.#isContainerUsed) this.#registerContracts()
    this.#changes.next()
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
