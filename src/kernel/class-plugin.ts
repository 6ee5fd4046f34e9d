import type { StandardSchemaV1 } from '@standard-schema/spec'
import { KernelError } from './errors.js'
import {
  makePlugin,
  type Health,
  type Plugin,
  type PluginContext,
  type PluginDefinition,
  type Provided,
  type TokenMap
} from './plugin.js'
import type { AnyToken, MultiToken, TokenType } from './token.js'
import { tsyringe } from './tsyringe.js'

/** What an instance of a class plugin offers. `start` returns what the class provides; it may return `this` in it. */
export interface PluginInstance<P extends TokenMap = TokenMap, C = never> {
  start(context: PluginContext<C>): Provided<P> | Promise<Provided<P>>
  health?(): Health | Promise<Health>
}

/** A class that {@link plugin} has marked. */
// Dependencies and results are checked by `@use` and `@plugin`; here any class with a `start` fits.
/* eslint-disable @typescript-eslint/no-explicit-any */
export type PluginClass = new (...dependencies: any[]) => {
  start(context: any): unknown
  health?(): Health | Promise<Health>
}
/* eslint-enable @typescript-eslint/no-explicit-any */

interface UseRecord {
  readonly token: AnyToken
  readonly optional: boolean
}

const uses = new WeakMap<object, Map<number, UseRecord>>()
const descriptors = new WeakMap<object, Plugin>()

/** `T` when a parameter of type `A` can take what the token resolves to, else an error type that names the mistake. */
type Fits<T, A> = [T] extends [A] ? unknown : { 'the parameter does not have the type of the token': T }

/** What an optional contract is injected as. */
// As for AnyToken, only `any` accepts every token.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type IfProvided<K> = K extends MultiToken<any> ? TokenType<K> : TokenType<K> | undefined

/** The parameter's type at position `I` of a constructor. */
type ParameterAt<C, I extends number> = C extends abstract new (...args: infer A) => unknown ? A[I] : never

/**
 * Injects a contract into a parameter of a class plugin's constructor. A parameter of another type does not compile.
 *
 * @example
 * constructor(@use(Router) private readonly router: Router) {}
 */
export function use<K extends AnyToken>(
  token: K
): <C extends abstract new (...args: never[]) => unknown, I extends number>(
  target: C & Fits<TokenType<K>, ParameterAt<C, I>>,
  key: undefined,
  index: I
) => void {
  return (target, _key, index) => {
    record(target, index, { token, optional: false })
  }
}

/**
 * Injects a contract if some plugin provides it; the parameter's type includes `undefined`, but for a contract with any
 * number of providers, which is an empty array then.
 */
export function useOptional<K extends AnyToken>(
  token: K
): <C extends abstract new (...args: never[]) => unknown, I extends number>(
  target: C & Fits<IfProvided<K>, ParameterAt<C, I>>,
  key: undefined,
  index: I
) => void {
  return (target, _key, index) => {
    record(target, index, { token, optional: true })
  }
}

function record(target: object, index: number, use: UseRecord): void {
  const ofClass = uses.get(target) ?? new Map<number, UseRecord>()
  ofClass.set(index, use)
  uses.set(target, ofClass)
  tsyringe().inject(use.token)(target, undefined, index)
}

/** A class without a constructor of its own has its base's, which wants what that was marked with. */
function inheritUses(target: PluginClass): void {
  if (uses.has(target) || target.length > 0) return
  for (
    let base: unknown = Object.getPrototypeOf(target);
    typeof base === 'function';
    base = Object.getPrototypeOf(base)
  ) {
    const inherited = uses.get(base)
    for (const [index, use] of inherited ?? []) record(target, index, use)
    if (inherited !== undefined || base.length > 0) return
  }
}

/**
 * Makes a class a plugin. Its constructor takes its dependencies by {@link use} and is run by tsyringe; its `start` is
 * given the context and returns what the class provides.
 *
 * @example
 * @plugin({ name: 'greeter' })
 * class Greeter {
 *   constructor(@use(RpcRegistry) private readonly rpc: RpcRegistry) {}
 *   start() { this.rpc.register({ greet: unary(({ name }: { name: string }) => ({ text: `Hello, ${name}` })) }) }
 * }
 */
export function plugin<
  const P extends TokenMap = Record<never, never>,
  S extends StandardSchemaV1 | undefined = undefined
>(
  options: Pick<
    PluginDefinition<TokenMap, TokenMap, P, S>,
    'name' | 'version' | 'provides' | 'config' | 'startTimeout' | 'stopTimeout'
  >
): (
  target: new (
    // eslint-disable-next-line @typescript-eslint/no-explicit-any
    ...dependencies: any[]
  ) => PluginInstance<P, S extends StandardSchemaV1 ? StandardSchemaV1.InferOutput<S> : undefined>
) => void {
  return (target) => {
    inheritUses(target)
    const parameters = [...(uses.get(target) ?? new Map<number, UseRecord>())].sort(([a], [b]) => a - b)
    // `length` stops at the first default value; the highest decorated position may lie behind it.
    const arity = Math.max(target.length, ...parameters.map(([index]) => index + 1), 0)
    const undecorated = Array.from({ length: arity }, (_, i) => i).filter(
      (i) => !parameters.some(([index]) => index === i)
    )
    if (undecorated.length > 0) {
      throw new KernelError(
        'ERR_PLUGIN',
        `class ${target.name}: constructor parameter ${undecorated.map((i) => String(i + 1)).join(', ')} has no @use(Token)`
      )
    }
    tsyringe().injectable()(target)
    const tokensWhere = (optional: boolean): TokenMap =>
      Object.fromEntries(
        parameters.filter(([, use]) => use.optional === optional).map(([index, { token }]) => [String(index), token])
      )
    const descriptor = makePlugin(
      { ...(options as unknown as PluginDefinition), needs: tokensWhere(false), optional: tokensWhere(true) },
      async (dependencies, context) => {
        const instance = construct(target, parameters, dependencies)
        return { provided: await instance.start(context), health: instance.health?.bind(instance) }
      }
    )
    descriptors.set(target, descriptor)
  }
}

/** Builds an instance in a container of its own, so that tsyringe retains nothing of it. */
function construct(
  target: PluginClass,
  parameters: readonly (readonly [number, UseRecord])[],
  dependencies: Record<string, unknown>
): InstanceType<PluginClass> {
  const throwAway = tsyringe().container.createChildContainer()
  for (const [index, { token }] of parameters) {
    // `useValue: undefined` is refused by tsyringe; a factory may return it.
    throwAway.register(token, { useFactory: () => dependencies[String(index)] })
  }
  return throwAway.resolve<InstanceType<PluginClass>>(target)
}

/** The plugin that a class marked with {@link plugin} stands for; throws `ERR_PLUGIN` for any other class. */
export function fromClass(target: PluginClass): Plugin {
  const descriptor = descriptors.get(target)
  if (descriptor === undefined) {
    throw new KernelError('ERR_PLUGIN', `class ${target.name} is not a plugin; put @plugin({ name: … }) before it`)
  }
  return descriptor
}

/** A plugin in either form as its descriptor; throws `ERR_PLUGIN` for anything else. */
export function toPlugin(plugin: Plugin | PluginClass): Plugin {
  if (typeof plugin === 'function') return fromClass(plugin)
  if (typeof (plugin as Partial<Plugin> | null | undefined)?.launch === 'function') return plugin
  throw new KernelError('ERR_PLUGIN', 'not a plugin; make one with definePlugin, or put @plugin before a class')
}
