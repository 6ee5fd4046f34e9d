import {
  InvalidInputError,
  messageOf,
  type AnyIterable,
  type CallEnd,
  type CallOptions,
  type ClientMiddleware,
  type InvocationChange,
  type MethodKind,
  type ServerMiddleware
} from '../../kernel/index.js'
import type { NodeId } from '../../model/index.js'
import { leaveUnread } from './bodies.js'
import type { RpcEnvironment } from './environment.js'
import type { OfferedMethod, Run } from './method.js'
import { isStreamed, promised, tap, TappedItems } from './outcome.js'

/** What a call is made of on its way through middleware. */
interface Parts {
  readonly input: unknown
  readonly body?: unknown
  readonly options?: CallOptions
}

type Step = (parts: Parts) => unknown
type AnyMiddleware = (call: never) => unknown

/** A handler behind middleware, the first outermost; the handler itself if there is none. */
export function behind(
  middleware: readonly ServerMiddleware[],
  { name: method, kind, plugin }: Pick<OfferedMethod, 'name' | 'kind' | 'plugin'>,
  run: Run,
  environment: RpcEnvironment
): Run {
  if (middleware.length === 0) return run
  return (call, input, body) => {
    const about = { side: 'server', method, kind, plugin, peer: call.meta.nodeId, context: call }
    const handler: Step = (parts) => run(call, parts.input, parts.body as typeof body)
    return chain(middleware, kind, about, handler, environment)({ input, body })
  }
}

/** The function that calls a method, behind middleware; itself if there is none. */
export function callBehind(
  middleware: readonly ClientMiddleware[],
  about: { readonly method: string; readonly kind: MethodKind; readonly peer: NodeId | undefined },
  call: (...parameters: unknown[]) => unknown,
  environment: RpcEnvironment
): (...parameters: unknown[]) => unknown {
  if (middleware.length === 0) return call
  const isRaw = about.kind === 'raw'
  const last: Step = ({ input, body, options }) => (isRaw ? call(input, body, options) : call(input, options))
  const first = chain(middleware, about.kind, { side: 'client', ...about }, last, environment)
  return (input, second, third) =>
    first({ input, body: isRaw ? second : undefined, options: (isRaw ? third : second) ?? {} })
}

/** Throws `ERR_INVALID_INPUT` if something in a list is no middleware. */
export function checkMiddleware<M extends AnyMiddleware>(middleware: readonly M[] = []): readonly M[] {
  const given: unknown = middleware
  if (Array.isArray(given) && given.every((each) => typeof each === 'function')) return middleware
  throw new InvalidInputError('middleware is a list of functions')
}

function chain(
  middleware: readonly AnyMiddleware[],
  kind: MethodKind,
  about: object,
  last: Step,
  environment: RpcEnvironment
): Step {
  return middleware.reduceRight<Step>((next, each) => through(each, kind, about, next, environment), last)
}

function through(
  middleware: AnyMiddleware,
  kind: MethodKind,
  about: object,
  next: Step,
  { clock, emit }: RpcEnvironment
): Step {
  return (parts) => {
    const startedAt = clock.monotonic()
    const listeners: ((end: CallEnd) => void)[] = []
    const given: unknown[] = []
    const invocation = {
      ...about,
      ...parts,
      onEnd: (listener: (end: CallEnd) => void) => {
        listeners.push(listener)
      },
      next: (change?: InvocationChange<MethodKind>) =>
        rejecting(() => {
          const outcome = next({ ...parts, ...change })
          const own = isStreamed(kind) ? new TappedItems(outcome as AnyIterable<unknown>, {}) : outcome
          given.push(own)
          return own
        })
    }
    const over = (error?: unknown): void => {
      // What the middleware was given and did not read to its end is no longer wanted.
      for (const outcome of given) leaveOutcome(outcome, error !== undefined)
      const end = { ms: clock.monotonic() - startedAt, ...(error === undefined ? {} : { error }) }
      for (const listener of listeners) {
        try {
          listener(end)
        } catch (thrown) {
          emit('node.warning', { message: `a listener of a call threw: ${messageOf(thrown)}` })
        }
      }
    }
    const outcome = rejecting(() => middleware(invocation as never))
    return tap(kind, promised(kind, outcome), { over })
  }
}

/** Runs something at once, whose failure is always a rejection. */
function rejecting<T>(work: () => T): Promise<Awaited<T>> {
  return new Promise((resolve) => {
    resolve(work() as Awaited<T>)
  })
}

function leaveOutcome(outcome: unknown, failed: boolean): void {
  if (outcome instanceof TappedItems) void outcome.return()
  else if (failed) leaveUnread(NOBODY, outcome)
}

/** Nobody waits for how a source takes its end. */
const NOBODY = { during: <T>(work: PromiseLike<T>): Promise<T> => Promise.resolve(work) }
