import {
  InvalidInputError,
  RpcCode,
  RpcError,
  type AnyMethod,
  type ClassHandler,
  type Clock,
  type Manifest,
  type MethodKind,
  type MethodOptions,
  type MethodMessages,
  type RegisterOptions,
  type ServerMiddleware
} from '../../kernel/index.js'
import { ruled } from './access.js'
import { errorClasses } from './error-classes.js'
import type { RpcEnvironment } from './environment.js'
import { unlessIdle } from './idle.js'
import { limited } from './limits.js'
import { callerKind, handlerKind, handleWithClass } from './matrix.js'
import { checkMiddleware } from './middleware.js'
import { checkOptions, checkSchema } from './method-options.js'
import type { RpcSettings } from './options.js'
import { misused } from './refusals.js'
import type { ServedCall } from './served-call.js'
import { validated } from './validation.js'

/** Which of a method's messages are bytes. */
export interface BinarySides {
  readonly input: boolean
  readonly output: boolean
}

/** Runs a handler. What it returns depends on the kind; see `Handlers` of the contract. */
export type Run = (call: ServedCall, input: unknown, body?: ReadableStream<Uint8Array>) => unknown

/** What a method is called, and how. */
export interface MethodName {
  readonly name: string
  readonly kind: MethodKind
}

/** A method that is offered, in one form whatever it was written as. */
export interface OfferedMethod extends MethodName {
  readonly plugin: string
  /** Milliseconds that a call may take; the default if it says nothing. */
  readonly timeoutMs: number | undefined
  /** A call may be a copy of an earlier one. */
  readonly idempotent: boolean
  /** Whoever may not call it shall not know that it is there. */
  readonly hidden: boolean
  readonly binary: BinarySides
  /** Calls under way. */
  readonly calls: Set<ServedCall>
  readonly options: MethodOptions
  /** Middleware of its registration. */
  readonly use: readonly ServerMiddleware[]
  /** The handler and what is checked before it. */
  readonly inner: Run
  /** The same behind all middleware that there is now. */
  run: Run
}

const KINDS: readonly unknown[] = ['unary', 'client', 'server', 'duplex', 'raw']

/** What a plugin registers, checked. Throws `ERR_INVALID_INPUT`. */
export function offeredMethod(
  name: string,
  plugin: string,
  given: AnyMethod | ClassHandler,
  { defaults, use }: Pick<RegisterOptions, 'defaults' | 'use'>,
  { clock, options: { defaultIdleTimeoutMs } }: Pick<RpcEnvironment, 'clock' | 'options'>
): OfferedMethod {
  const { kind, run, own, input, binary } = handlerOf(name, given)
  const options = checkOptions(name, { ...defaults, ...own })
  errorClasses(name, options.errors)
  const lively = unlessIdle({ name, kind }, run, options.idleTimeoutMs ?? defaultIdleTimeoutMs, clock)
  const inner = guarded({ name, kind }, lively, options, input, clock)
  return {
    name,
    kind,
    plugin,
    timeoutMs: options.timeoutMs,
    idempotent: options.idempotent === true,
    hidden: options.hidden === true,
    binary: binarySides(name, kind, binary),
    options,
    calls: new Set(),
    use: checkMiddleware(use),
    inner,
    run: inner
  }
}

/** A handler behind what is checked of each call; the handler itself if that is nothing. */
function guarded(
  method: MethodName,
  run: Run,
  { allow, limits, hidden }: MethodOptions,
  input: MethodMessages['input'],
  clock: Clock
): Run {
  const valid = input === undefined ? run : validated(method, run, input)
  const within = limits === undefined ? valid : limited(method, valid, limits, clock)
  return allow === undefined ? within : ruled(method, within, allow, hidden === true)
}

/** A handler of either form, and what it says of itself. */
function handlerOf(
  name: string,
  given: AnyMethod | ClassHandler
): { readonly kind: MethodKind; readonly run: Run; readonly own: MethodOptions } & Pick<
  MethodMessages,
  'input' | 'binary'
> {
  const classKind = handlerKind(given)
  if (classKind !== undefined) {
    const handler = given as ClassHandler
    const own = handler.timeout === undefined ? {} : { timeoutMs: handler.timeout }
    return { kind: classKind, run: handleWithClass(classKind, handler), own }
  }
  const method = given as Partial<AnyMethod> | null | undefined
  if (!KINDS.includes(method?.kind) || typeof method?.handle !== 'function') {
    throw new InvalidInputError(
      `method ${name} has no handler: make it with unary(), client(), server(), duplex() or raw()`
    )
  }
  const handle = method.handle as (...parameters: unknown[]) => unknown
  const run: Run =
    method.kind === 'raw' ? (call, input, body) => handle(input, body, call) : (call, input) => handle(input, call)
  return {
    kind: method.kind as MethodKind,
    run,
    own: method,
    input: checkSchema(name, method.input),
    binary: method.binary
  }
}

const BINARY: readonly unknown[] = [undefined, 'input', 'output', 'both']

/** What `binary` of a method says. Throws `ERR_INVALID_INPUT`. */
export function binarySides(name: string, kind: MethodKind, binary: unknown): BinarySides {
  if (!BINARY.includes(binary) || (kind === 'raw' && binary !== undefined)) {
    throw new InvalidInputError(`method ${name}: binary is 'input', 'output' or 'both', and nothing for raw methods`)
  }
  return { input: binary === 'input' || binary === 'both', output: binary === 'output' || binary === 'both' }
}

/** Checks that what came with a request is what the method takes. Throws {@link RpcError} with INVALID_PARAMS. */
export function checkInput(method: OfferedMethod, params: unknown): void {
  const { name, kind, binary } = method
  const wanted = binary.input && (kind === 'unary' || kind === 'server')
  if (params instanceof Uint8Array !== wanted) {
    throw misused(method, new RpcError(RpcCode.INVALID_PARAMS, `${name} takes ${wanted ? 'bytes' : 'JSON'}`))
  }
}

/** The output of a method that gives bytes. Throws {@link RpcError} with INTERNAL_ERROR. */
export function outputBytes(output: unknown): Uint8Array {
  if (output instanceof Uint8Array) return output
  throw new RpcError(RpcCode.INTERNAL_ERROR, 'the handler returned no bytes (Uint8Array)')
}

/** Throws {@link RpcError} with INTERNAL_ERROR if an answer is too long. */
export function checkAnswer(bytes: number, { maxMessageBytes }: RpcSettings): void {
  if (bytes <= maxMessageBytes) return
  throw new RpcError(RpcCode.INTERNAL_ERROR, `the answer is longer than ${String(maxMessageBytes)} bytes`)
}

/** The kind of a manifest's entry. Throws `ERR_INVALID_INPUT`. */
export function manifestKind(name: string, entry: Manifest[string]): MethodKind {
  const kind: unknown = callerKind(entry) ?? (entry as Partial<AnyMethod> | null | undefined)?.kind
  if (KINDS.includes(kind)) return kind as MethodKind
  throw new InvalidInputError(`method ${name} of the manifest has no kind`)
}

const NAME = /^[A-Za-z0-9_.-]{1,128}$/

/** The name on the wire. Throws `ERR_INVALID_INPUT` for one that cannot be. */
export function wireName(name: string, namespace: string | undefined): string {
  const full = namespace === undefined ? name : `${namespace}.${name}`
  if (!NAME.test(full) || name === '' || namespace === '') {
    throw new InvalidInputError(
      `not a method name: ${JSON.stringify(full.slice(0, 140))} (1 to 128 letters, digits and _ . -)`
    )
  }
  if (full.startsWith('rpc.')) throw new InvalidInputError(`method ${full}: names that begin with "rpc." are reserved`)
  return full
}
