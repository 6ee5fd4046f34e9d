import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Observable } from 'rxjs'
import type { Clock } from './clock.js'
import { KernelError } from './errors.js'
import type { EventEmitterOf, EventOf, EventType, KernelEvent } from './events.js'
import type { Logger } from './log.js'
import type { Random } from './random.js'
import { tokenName, type AnyToken, type MultiToken, type ProvidedType, type TokenType } from './token.js'

/** Contracts by the names under which a plugin wants or provides them. */
export type TokenMap = Readonly<Record<string, AnyToken>>

/** The implementations that belong to a {@link TokenMap}. */
export type Resolved<M extends TokenMap> = { readonly [K in keyof M]: TokenType<M[K]> }

/** Names of contracts that any number of plugins may provide: these are given even if nobody provides them. */
// As for AnyToken, only `any` accepts every token.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type MultiNames<M extends TokenMap> = { [K in keyof M]: M[K] extends MultiToken<any> ? K : never }[keyof M]

/** The dependencies a plugin is given: those it needs, and those of its optional ones that exist. */
export type Dependencies<N extends TokenMap, O extends TokenMap> = Resolved<N> &
  Partial<Resolved<Omit<O, MultiNames<O>>>> &
  Resolved<Pick<O, MultiNames<O>>>

/** What a plugin's `start` returns: the implementations by the names in `provides`; nothing if there are none. */
export type Provided<P extends TokenMap> = keyof P extends never
  ? void
  : { readonly [K in keyof P]: ProvidedType<P[K]> }

/**
 * What the kernel hands to a plugin beside its dependencies. Whatever is registered through it (clean-up, timers,
 * subscriptions) is undone when the plugin stops, in reverse order.
 */
export interface PluginContext<C = unknown> {
  /** The plugin's name. */
  readonly name: string
  /** The configuration, as the plugin's schema returned it. */
  readonly config: C
  /** Aborted when the plugin begins to stop, or when its start has failed or taken too long. */
  readonly signal: AbortSignal
  /**
   * Registers a clean-up. Each is awaited; one that throws does not keep the others from running. The function that is
   * returned forgets it again, for what comes and goes while the plugin runs. `what` names it in `kernel.describe()`.
   */
  readonly defer: (cleanUp: () => unknown, what?: string) => () => void
  /**
   * Time. Timers are cancelled when the plugin begins to stop; clean-ups may set further ones, until they are done. Then
   * holds end, too.
   */
  readonly clock: Clock
  /** Chance, for anything but secrets. */
  readonly random: Random
  readonly events: {
    /** The kernel's event stream; a subscription made here ends at stop. */
    readonly stream: Observable<KernelEvent>
    /** The same for events of some types: those of others then cost nothing. */
    readonly of: <T extends EventType>(...types: readonly T[]) => Observable<EventOf<T>>
    /** Emits an event in this plugin's name. */
    readonly emit: EventEmitterOf
  }
  readonly log: Logger
}

/** How a plugin is. `ready`: may be given work. `live`: no restart would help. */
export interface Health {
  readonly ready: boolean
  readonly live?: boolean
  readonly detail?: string
}

/** A plugin as its author writes it; see {@link definePlugin}. */
export interface PluginDefinition<
  N extends TokenMap = TokenMap,
  O extends TokenMap = TokenMap,
  P extends TokenMap = TokenMap,
  S extends StandardSchemaV1 | undefined = StandardSchemaV1 | undefined
> {
  /** Unique in a kernel; lower case with dashes by convention. */
  readonly name: string
  readonly version?: string
  /** Contracts without which the plugin cannot start. */
  readonly needs?: N
  /** Contracts that the plugin uses if some plugin provides them. */
  readonly optional?: O
  /** Contracts that the plugin fulfils. */
  readonly provides?: P
  /** A Standard Schema (zod, valibot, arktype) for the plugin's configuration. Without one it takes none. */
  readonly config?: S
  /** Milliseconds that `start` may take; 10,000 unless given. */
  readonly startTimeout?: number
  /** Milliseconds that all clean-up together may take; 5,000 unless given. */
  readonly stopTimeout?: number
  /** Starts the plugin and returns what it provides. Clean-up is registered with `context.defer`. */
  start(
    dependencies: Dependencies<N, O>,
    context: PluginContext<S extends StandardSchemaV1 ? StandardSchemaV1.InferOutput<S> : undefined>
  ): Provided<P> | Promise<Provided<P>>
  /** How the plugin is; asked by `kernel.health()`. */
  health?(): Health | Promise<Health>
}

/** What a kernel is made of. Made by {@link definePlugin}, or from a class by `fromClass`. */
export interface Plugin<S extends StandardSchemaV1 | undefined = StandardSchemaV1 | undefined> {
  readonly name: string
  readonly version: string | undefined
  readonly needs: TokenMap
  readonly optional: TokenMap
  readonly provides: TokenMap
  readonly schema: S
  readonly config: unknown
  readonly startTimeout: number
  readonly stopTimeout: number
  /** The same plugin with this configuration, checked by the plugin's schema when the kernel starts. */
  with(config: S extends StandardSchemaV1 ? StandardSchemaV1.InferInput<S> : never): Plugin<S>
  /** Used by the kernel alone. */
  readonly launch: (dependencies: Record<string, unknown>, context: PluginContext) => Launched | Promise<Launched>
}

/** A started plugin, as the kernel sees it. */
export interface Launched {
  readonly provided: unknown
  readonly health: (() => Health | Promise<Health>) | undefined
}

export const DEFAULT_START_TIMEOUT_MS = 10_000
export const DEFAULT_STOP_TIMEOUT_MS = 5_000

/**
 * A plugin from functions. Types of dependencies, configuration and result follow from the definition.
 *
 * @example
 * export const greeter = definePlugin({
 *   name: 'greeter',
 *   needs: { rpc: RpcRegistry },
 *   start({ rpc }) {
 *     rpc.register({ greet: unary<{ name: string }, { text: string }>(({ name }) => ({ text: `Hello, ${name}` })) })
 *   }
 * })
 */
export function definePlugin<
  const N extends TokenMap = Record<never, never>,
  const O extends TokenMap = Record<never, never>,
  const P extends TokenMap = Record<never, never>,
  S extends StandardSchemaV1 | undefined = undefined
>(definition: PluginDefinition<N, O, P, S>): Plugin<S> {
  checkDefinition(definition)
  return makePlugin(definition, (dependencies, context) => {
    const health = definition.health?.bind(definition)
    const provided: unknown = definition.start(dependencies as Dependencies<N, O>, context as never)
    return isThenable(provided)
      ? Promise.resolve(provided).then((value: unknown) => ({ provided: value, health }))
      : { provided, health }
  }) as Plugin<S>
}

/** For callers without types: what is wrong is told here, with the plugin's name, and not first at its start. */
function checkDefinition(definition: unknown): void {
  const { name, start, health } = (definition ?? {}) as Partial<Record<string, unknown>>
  const problem =
    typeof start !== 'function'
      ? 'has no start function'
      : health !== undefined && typeof health !== 'function'
        ? 'has a health that is no function'
        : undefined
  if (problem !== undefined) throw new KernelError('ERR_PLUGIN', `plugin ${JSON.stringify(name)} ${problem}`)
}

type Options = Omit<PluginDefinition, 'start' | 'health'>

/** The descriptor that both forms of plugin become. */
export function makePlugin(options: Options, launch: Plugin['launch'], config?: unknown): Plugin {
  const { name, startTimeout = DEFAULT_START_TIMEOUT_MS, stopTimeout = DEFAULT_STOP_TIMEOUT_MS } = options
  if (typeof name !== 'string' || !/^[\w@/.-]{1,100}$/.test(name)) {
    throw new KernelError('ERR_PLUGIN', `not a plugin name: ${JSON.stringify(name)} (letters, digits and . - _ / @)`)
  }
  for (const [what, ms] of Object.entries({ startTimeout, stopTimeout })) {
    if (typeof ms !== 'number' || !(ms > 0))
      throw new KernelError('ERR_PLUGIN', `plugin ${name}: ${what} must be a positive number of milliseconds`)
  }
  for (const map of [options.needs, options.optional, options.provides]) checkTokens(name, map ?? {})
  const provided = Object.values(options.provides ?? {})
  for (const token of provided.filter((token, i) => provided.indexOf(token) < i)) {
    throw new KernelError('ERR_PLUGIN', `plugin ${name} provides ${tokenName(token)} twice; provide it once`)
  }
  const plugin: Plugin = {
    name,
    version: options.version,
    needs: options.needs ?? {},
    optional: options.optional ?? {},
    provides: options.provides ?? {},
    schema: options.config,
    config,
    startTimeout,
    stopTimeout,
    with: (value) => makePlugin(options, launch, value),
    launch
  }
  return Object.freeze(plugin)
}

function checkTokens(plugin: string, map: TokenMap): void {
  for (const [name, token] of Object.entries(map)) {
    // A contract that was imported as a type only is `undefined` at run time.
    if (typeof token !== 'symbol') {
      throw new KernelError(
        'ERR_PLUGIN',
        `plugin ${plugin}: "${name}" is not a token; is it imported with "import type"?`
      )
    }
  }
}

/** The method by which an implementation hands each consumer its own view; see {@link PerConsumer}. */
export const forPlugin: unique symbol = Symbol.for('peerloom.forPlugin')

/** Who is asking for a contract. */
export interface Consumer {
  /** The plugin's name; `application` for `kernel.resolve`. */
  readonly name: string
  /**
   * Registers what is to be taken back when that plugin stops; the function that is returned forgets it again. `what`
   * names it among the plugin's registrations in `kernel.describe()`.
   */
  readonly defer: (cleanUp: () => unknown, what?: string) => () => void
}

/**
 * An implementation that knows its consumers: the kernel calls `[forPlugin]` once for each plugin that depends on it
 * and injects the result. So a registry knows who registered what, and takes it back when that plugin stops.
 */
export interface PerConsumer<T> {
  [forPlugin](consumer: Consumer): T
}

/** The view of an implementation that belongs to a consumer. */
export function viewFor(implementation: unknown, consumer: Consumer): unknown {
  const makeView = (implementation as Partial<PerConsumer<unknown>> | undefined | null)?.[forPlugin]
  return makeView === undefined ? implementation : makeView.call(implementation, consumer)
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
}
