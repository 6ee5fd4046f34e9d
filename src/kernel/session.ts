import {
  DeadlineError,
  KernelError,
  LifecycleError,
  messageOf,
  type PeerloomError,
  type PluginOutcome
} from './errors.js'
import type { EventMap, EventType } from './events.js'
import type { Graph } from './graph.js'
import { viewFor, type Launched, type Plugin } from './plugin.js'
import { Scope, type Surroundings } from './scope.js'
import type { AnyToken } from './token.js'
import { walk } from './walk.js'

const APPLICATION_STOP_TIMEOUT_MS = 5_000

/** A plugin that is being started or has started. */
interface Running {
  readonly plugin: Plugin
  readonly scope: Scope
  readonly begun: number
  launched?: Launched
  /** What it provides, by token. */
  readonly provided: Map<AnyToken, unknown>
}

/** One start of a kernel's plugins, from its beginning until all have been stopped again. */
export class Session {
  readonly #running = new Map<Plugin, Running>()
  readonly #outcomes = new Map<Plugin, PluginOutcome>()
  /** Belongs to whoever resolves from outside; ends before any plugin stops. */
  readonly #application: Scope
  readonly #views = new Map<AnyToken, unknown>()

  constructor(
    private readonly graph: Graph,
    private readonly configurations: ReadonlyMap<Plugin, unknown>,
    private readonly builtIn: ReadonlyMap<AnyToken, unknown>,
    private readonly around: Surroundings
  ) {
    this.#application = new Scope('application', around)
  }

  /** What became of each plugin, in the order of its beginning. */
  get outcomes(): readonly PluginOutcome[] {
    return [...this.#outcomes.values()]
  }

  /** A plugin that has started. */
  launched(plugin: Plugin): Launched | undefined {
    return this.#running.get(plugin)?.launched
  }

  /** The application's view of a contract, or `undefined` if no plugin provides it. */
  resolve(token: AnyToken): unknown {
    if (!this.#views.has(token)) this.#views.set(token, viewFor(this.#find(token), this.#application))
    return this.#views.get(token)
  }

  /**
   * Starts all plugins. If one fails, or `aborted` resolves, stops those that were begun and throws `ERR_START`, or what
   * `aborted` gave.
   */
  async start(aborted: Promise<PeerloomError>): Promise<void> {
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
    // A stop that came while configurations were being checked counts before anything begins.
    await Promise.resolve()
    const { order, dependencies, dependents } = this.graph
    const walked = walk(order, dependencies, dependents, (plugin) => {
      if (failed !== undefined) return false
      return this.#launch(plugin, (error) => {
        fail(error, plugin)
      })
    })
    await Promise.race([walked, givenUp])
    if (failed === undefined) return
    this.#noteUnfinished()
    for (const error of await this.stop()) this.around.log.error('a plugin failed while being stopped again', error)
    const { plugin, error } = failed
    if (plugin === undefined) throw error
    const message = `plugin ${plugin.name} failed to start: ${messageOf(error)}`
    throw new LifecycleError('ERR_START', message, this.outcomes, { cause: error })
  }

  /** Ends the scope of every plugin that was begun, one after another in reverse. Returns what went wrong. */
  async stop(): Promise<unknown[]> {
    // Whoever is still starting learns at once that it is over.
    for (const { scope, launched } of this.#running.values()) if (launched === undefined) scope.abort()
    const errors: unknown[] = [...(await this.#application.close(APPLICATION_STOP_TIMEOUT_MS))]
    this.#views.clear()
    // A plugin begins when all that it needs has started, so the reverse of the beginnings is a valid order.
    for (const { plugin, scope, provided } of [...this.#running.values()].reverse()) {
      const begun = this.around.clock.monotonic()
      const closing = scope.close(plugin.stopTimeout)
      const failures = closing instanceof Promise ? await closing : closing
      provided.clear()
      errors.push(...failures)
      const { name } = plugin
      const ended = { ms: this.#since(begun), ...(failures.length === 0 ? {} : { error: failures[0] }) }
      if (this.#outcomes.get(plugin)?.outcome === 'started') {
        this.#outcomes.set(plugin, { plugin: name, outcome: 'stopped', ...ended })
      }
      this.#emit('plugin.stopped', { name, ...ended })
    }
    this.#running.clear()
    return errors
  }

  /** For the report: who was under way when the start was given up, and who never began. */
  #noteUnfinished(): void {
    for (const plugin of this.graph.order) {
      if (this.#outcomes.has(plugin)) continue
      const begun = this.#running.get(plugin)?.begun
      this.#outcomes.set(plugin, {
        plugin: plugin.name,
        outcome: begun === undefined ? 'not started' : 'aborted',
        ms: begun === undefined ? 0 : this.#since(begun)
      })
    }
  }

  /** Starts one plugin. Its deadline covers its own start alone, so a plugin that hangs is blamed by its own name. */
  #launch(plugin: Plugin, fail: (error: unknown) => void): boolean | Promise<boolean> {
    const { clock } = this.around
    const scope = new Scope(plugin.name, this.around)
    const running: Running = { plugin, scope, begun: clock.monotonic(), provided: new Map() }
    this.#running.set(plugin, running)
    this.#emit('plugin.starting', { name: plugin.name })
    const failed = (error: unknown): boolean => {
      const ms = this.#since(running.begun)
      this.#outcomes.set(plugin, { plugin: plugin.name, outcome: 'failed', ms, error })
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
      this.#outcomes.set(plugin, { plugin: plugin.name, outcome: 'started', ms })
      this.#emit('plugin.started', { name: plugin.name, ms })
      return true
    }
    try {
      const dependencies = this.#inject(plugin, scope)
      const launched = plugin.launch(dependencies, scope.context(this.configurations.get(plugin)))
      if (!(launched instanceof Promise)) return started(launched)
      return new Promise<boolean>((resolve) => {
        let settled = false
        const settle = (outcome: () => boolean): void => {
          // A start that was given up on may still finish; its scope is closed by then.
          if (settled) return
          settled = true
          timer.clear()
          resolve(this.#outcomes.has(plugin) ? false : outcome())
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
  #inject(plugin: Plugin, scope: Scope): Record<string, unknown> {
    const dependencies: Record<string, unknown> = {}
    for (const [name, token] of [...Object.entries(plugin.optional), ...Object.entries(plugin.needs)]) {
      const implementation = this.#find(token)
      if (implementation !== undefined) dependencies[name] = viewFor(implementation, scope)
    }
    return dependencies
  }

  #find(token: AnyToken): unknown {
    const provider = this.graph.providers.get(token)
    return provider === undefined ? this.builtIn.get(token) : this.#running.get(provider)?.provided.get(token)
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

  #emit<T extends EventType>(type: T, details: EventMap[T]): void {
    this.around.hub.emit('kernel', type, details)
  }

  #since(begun: number): number {
    return this.around.clock.monotonic() - begun
  }
}
