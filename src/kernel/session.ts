import { abortReason, LifecycleError, messageOf, type PeerloomError, type PluginOutcome } from './errors.js'
import type { PluginState } from './describe.js'
import type { EventMap, EventType } from './events.js'
import type { GivenContracts } from './given.js'
import { reach, type Graph } from './graph.js'
import { launch } from './launch.js'
import { viewFor, type Launched, type Plugin } from './plugin.js'
import { Scope, type Surroundings } from './scope.js'
import { isMulti, type AnyToken } from './token.js'
import { walk } from './walk.js'

const APPLICATION_STOP_TIMEOUT_MS = 5_000

/** What is to run: plugins that fit together, and the configuration of each. */
export interface Plan {
  readonly graph: Graph
  readonly configurations: ReadonlyMap<Plugin, unknown>
}

/** A plugin that is being started, has started, or is being stopped. */
export interface Running {
  readonly plugin: Plugin
  readonly scope: Scope
  /** By `Clock.monotonic`. */
  readonly begun: number
  state: 'starting' | 'started' | 'stopping'
  /** Milliseconds that its start took. */
  startMs?: number
  launched?: Launched
  /** What it provides, by token. */
  readonly provided: Map<AnyToken, unknown>
}

/** Why a start was given up. It was asked for if there is no plugin to blame. */
interface Failure {
  readonly plugin?: Plugin
  readonly error: unknown
}

/** One start of a kernel's plugins, from its beginning until all have been stopped again. */
export class Session {
  readonly #running = new Map<Plugin, Running>()
  readonly #outcomes = new Map<Plugin, PluginOutcome>()
  /** What was resolved from outside. Each view has a scope of its own, which ends before its provider stops. */
  readonly #views = new Map<AnyToken, { readonly view: unknown; readonly scope: Scope }>()
  #plan: Plan
  /** When it began, by `Clock.monotonic`. */
  readonly begun: number

  constructor(
    plan: Plan,
    private readonly given: GivenContracts,
    private readonly around: Surroundings
  ) {
    this.#plan = plan
    this.begun = around.clock.monotonic()
  }

  /** What became of each plugin in the last start, stop or replacement, in the order of its beginning. */
  get outcomes(): readonly PluginOutcome[] {
    return [...this.#outcomes.values()]
  }

  get graph(): Graph {
    return this.#plan.graph
  }

  /** A plugin that is not stopped. */
  running(plugin: Plugin): Running | undefined {
    return this.#running.get(plugin)
  }

  stateOf(plugin: Plugin): PluginState {
    const running = this.#running.get(plugin)
    if (running !== undefined) return running.state
    return this.#outcomes.get(plugin)?.outcome === 'failed' ? 'failed' : 'idle'
  }

  /** The application's view of a contract, or `undefined` if nobody provides it. */
  resolve(token: AnyToken): unknown {
    const kept = this.#views.get(token)
    if (kept !== undefined) return kept.view
    const scope = new Scope('application', this.around)
    const view = this.#find(token, scope)
    if (view !== undefined) this.#views.set(token, { view, scope })
    return view
  }

  /** The provider of a contract that is being replaced just now, if one is. */
  beingReplaced(token: AnyToken): Plugin | undefined {
    const providers = this.graph.providers.get(token) ?? []
    return providers.find((provider) => this.#running.get(provider)?.state !== 'started')
  }

  /** Starts all plugins. If one fails, or a signal is aborted, stops those that were begun and throws. */
  async start(...signals: readonly (AbortSignal | undefined)[]): Promise<void> {
    const failure = await this.#startMissing(signals)
    if (failure === undefined) return
    this.logErrors(await this.stop())
    throw failure.plugin === undefined ? failure.error : asError('ERR_START', failure, this.outcomes)
  }

  /** Ends the scope of every plugin that was begun, one after another in reverse. Returns what went wrong. */
  async stop(): Promise<unknown[]> {
    // What the host provides never stops, so the views of that end here, too.
    return this.#stop([...this.#running.values()], () => true)
  }

  /**
   * Goes over to another plan: stops what is no longer in it, what depends on that, and what depends on what is new;
   * then starts what is missing. If that fails, puts the old plan back, unless `stopped` is aborted. Resolves with
   * what went wrong; if the old plan does not run again, either, `stop` must end the rest.
   */
  async replace(
    next: Plan,
    stopped: AbortSignal,
    signal: AbortSignal | undefined
  ): Promise<{ error: unknown; restored: boolean } | undefined> {
    const before = this.#plan
    const affected = affectedBy(before.graph, next.graph)
    this.logErrors(await this.#stop(this.#amongRunning(affected)))
    this.#outcomes.clear()
    await this.#enter(next)
    const failure = await this.#startMissing([stopped, signal])
    if (failure === undefined) return undefined
    this.logErrors(await this.#stop(this.#amongRunning(affected)))
    const { outcomes } = this
    this.#outcomes.clear()
    await this.#enter(before)
    const again = stopped.aborted ? failure : await this.#startMissing([stopped])
    const restored = again === undefined
    const rest = restored ? 'what ran before runs again' : `nor did what ran before (${explain(again)}): all is stopped`
    // To have asked for it is no reason to be left with nothing, so that is told as well.
    const isAsked = failure.plugin === undefined && (restored || stopped.aborted)
    return { error: isAsked ? failure.error : asError('ERR_REPLACE', failure, outcomes, `; ${rest}`), restored }
  }

  /** From here on another plan holds. The application's views of contracts that others provide in it end. */
  async #enter(plan: Plan): Promise<void> {
    const before = this.graph
    this.#plan = plan
    const isChanged = (token: AnyToken): boolean => {
      const [old, present] = [before, this.graph].map(({ providers }) => providers.get(token) ?? [])
      return old?.length !== present?.length || old?.some((provider, i) => provider !== present?.[i]) === true
    }
    this.logErrors(await this.#closeViews(isChanged))
  }

  #amongRunning(plugins: ReadonlySet<Plugin>): Running[] {
    return [...this.#running.values()].filter(({ plugin }) => plugins.has(plugin))
  }

  /** Starts whatever of the plan does not run, as parallel as it allows. Says why it was given up, if it was. */
  async #startMissing(signals: readonly (AbortSignal | undefined)[]): Promise<Failure | undefined> {
    let failure: Failure | undefined
    let giveUp: () => void = () => undefined
    const givenUp = new Promise<void>((resolve) => (giveUp = resolve))
    const fail = (reason: Failure): void => {
      failure ??= reason
      giveUp()
    }
    const unlisten = onAbort(signals, (error) => {
      fail({ error })
    })
    const { order, dependencies, dependents } = this.graph
    const missing = order.filter((plugin) => !this.#running.has(plugin))
    const walked = walk(
      missing,
      dependencies,
      dependents,
      (plugin) => failure === undefined && this.#start(plugin, fail)
    )
    await Promise.race([walked, givenUp])
    unlisten()
    if (failure !== undefined) this.#noteUnfinished(missing)
    return failure
  }

  /** Starts one plugin; false (at once or later) if it failed. */
  #start(plugin: Plugin, fail: (failure: Failure) => void): boolean | Promise<boolean> {
    const { clock } = this.around
    const scope = new Scope(plugin.name, this.around)
    const running: Running = { plugin, scope, begun: clock.monotonic(), state: 'starting', provided: new Map() }
    this.#running.set(plugin, running)
    this.#emit('plugin.starting', { name: plugin.name })
    const failed = (error: unknown): boolean => {
      if (running.state !== 'starting') return false
      this.#note(running, 'failed', error)
      this.#emit('plugin.failed', { name: plugin.name, ms: this.#since(running.begun), error })
      fail({ plugin, error })
      return false
    }
    try {
      const dependencies = this.#inject(plugin, scope)
      const launched = launch(plugin, dependencies, scope, this.#plan.configurations.get(plugin), clock)
      if (!(launched instanceof Promise)) return this.#started(running, launched)
      return launched.then((value) => this.#started(running, value), failed)
    } catch (error) {
      return failed(error)
    }
  }

  #started(running: Running, launched: Launched): boolean {
    // A start that was given up may finish all the same; its scope is closed by then.
    if (running.state !== 'starting') return false
    const { plugin, provided } = running
    const returned = launched.provided as Readonly<Record<string, unknown>>
    for (const [name, token] of Object.entries(plugin.provides)) provided.set(token, returned[name])
    running.launched = launched
    running.state = 'started'
    const ms = (running.startMs = this.#since(running.begun))
    this.#note(running, 'started')
    this.#emit('plugin.started', { name: plugin.name, ms })
    return true
  }

  /** Stops these one after another, in the reverse of their beginning; before that, views of what they provide end. */
  async #stop(
    which: readonly Running[],
    isOver = (token: AnyToken): boolean => which.some(({ provided }) => provided.has(token))
  ): Promise<unknown[]> {
    for (const running of which) {
      // Whoever is still starting learns at once that it is over.
      if (running.state === 'starting') running.scope.abort()
      running.state = 'stopping'
    }
    const errors = await this.#closeViews(isOver)
    // A plugin begins when all that it needs has started, so the reverse of the beginnings is a valid order.
    for (const { plugin, scope, provided } of [...which].reverse()) {
      const begun = this.around.clock.monotonic()
      const closing = scope.close(plugin.stopTimeout)
      const failures = closing instanceof Promise ? await closing : closing
      provided.clear()
      this.#running.delete(plugin)
      errors.push(...failures)
      const { name } = plugin
      const ended = { ms: this.#since(begun), ...(failures.length === 0 ? {} : { error: failures[0] }) }
      const outcome = this.#outcomes.get(plugin)?.outcome
      if (outcome === undefined || outcome === 'started') {
        this.#outcomes.set(plugin, { plugin: name, outcome: 'stopped', ...ended })
      }
      this.#emit('plugin.stopped', { name, ...ended })
    }
    return errors
  }

  /** Takes back what the application registered with the contracts that are over. */
  async #closeViews(isOver: (token: AnyToken) => boolean): Promise<unknown[]> {
    const errors: unknown[] = []
    const over = [...this.#views].reverse().filter(([token]) => isOver(token))
    for (const [token] of over) this.#views.delete(token)
    for (const [, { scope }] of over) errors.push(...(await scope.close(APPLICATION_STOP_TIMEOUT_MS)))
    return errors
  }

  /** A plugin's dependencies by name, each in the view that belongs to this plugin. */
  #inject(plugin: Plugin, scope: Scope): Record<string, unknown> {
    const dependencies: Record<string, unknown> = {}
    for (const [name, token] of Object.entries(plugin.optional)) {
      const found = this.#find(token, scope)
      if (found !== undefined) dependencies[name] = found
    }
    for (const [name, token] of Object.entries(plugin.needs)) dependencies[name] = this.#find(token, scope)
    return dependencies
  }

  /** A consumer's view of a contract; of one with any number of providers, an array of them. */
  #find(token: AnyToken, consumer: Scope): unknown {
    const providers = this.graph.providers.get(token) ?? []
    const viewOf = (provider: Plugin): unknown => viewFor(this.#running.get(provider)?.provided.get(token), consumer)
    const [first] = providers
    if (!isMulti(token)) return first === undefined ? viewFor(this.given.get(token), consumer) : viewOf(first)
    const given = (this.given.get(token) ?? []) as readonly unknown[]
    return [...providers.map(viewOf), ...given.map((implementation) => viewFor(implementation, consumer))]
  }

  /** For the report: who was under way when the start was given up, and who never began. */
  #noteUnfinished(missing: readonly Plugin[]): void {
    for (const plugin of missing) {
      const running = this.#running.get(plugin)
      if (running === undefined) this.#outcomes.set(plugin, { plugin: plugin.name, outcome: 'not started', ms: 0 })
      else if (!this.#outcomes.has(plugin)) this.#note(running, 'aborted')
    }
  }

  #note({ plugin, begun }: Running, outcome: PluginOutcome['outcome'], error?: unknown): void {
    const ms = this.#since(begun)
    this.#outcomes.set(plugin, { plugin: plugin.name, outcome, ms, ...(error === undefined ? {} : { error }) })
  }

  /** What went wrong while stopping, where there is another error to throw. */
  logErrors(errors: readonly unknown[]): void {
    for (const error of errors) this.around.log.error('a plugin failed while being stopped', error)
  }

  #emit<T extends EventType>(type: T, details: EventMap[T]): void {
    this.around.hub.emit('kernel', type, details)
  }

  #since(begun: number): number {
    return this.around.clock.monotonic() - begun
  }
}

/** All that must restart when one graph takes the place of another: what goes, what comes, and whoever depends on it. */
export function affectedBy(before: Graph, after: Graph): Set<Plugin> {
  const changed = [
    ...before.order.filter((plugin) => !after.dependencies.has(plugin)),
    ...after.order.filter((plugin) => !before.dependencies.has(plugin))
  ]
  return reach(changed, (plugin) => [...(before.dependents.get(plugin) ?? []), ...(after.dependents.get(plugin) ?? [])])
}

function explain({ plugin, error }: Failure): string {
  return plugin === undefined ? messageOf(error) : `plugin ${plugin.name} failed to start: ${messageOf(error)}`
}

/** Why something was given up, as an error that tells of all plugins. */
function asError(
  code: 'ERR_START' | 'ERR_REPLACE',
  failure: Failure,
  outcomes: readonly PluginOutcome[],
  rest = ''
): LifecycleError {
  return new LifecycleError(code, `${explain(failure)}${rest}`, outcomes, { cause: failure.error })
}

/** Calls back once a signal is aborted, at once if one is already. Returns what ends the listening. */
function onAbort(signals: readonly (AbortSignal | undefined)[], callback: (reason: PeerloomError) => void): () => void {
  const undo = signals.map((signal) => {
    if (signal === undefined) return undefined
    const listener = (): void => {
      callback(abortReason(signal))
    }
    if (signal.aborted) listener()
    else signal.addEventListener('abort', listener, { once: true })
    return () => {
      signal.removeEventListener('abort', listener)
    }
  })
  return () => {
    for (const remove of undo) remove?.()
  }
}
