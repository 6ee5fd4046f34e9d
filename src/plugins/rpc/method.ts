import {
  InvalidInputError,
  RpcCode,
  RpcError,
  type AnyMethod,
  type ClassHandler,
  type Manifest,
  type MethodKind
} from '../../kernel/index.js'
import { callerKind, handlerKind, handleWithClass } from './matrix.js'
import type { RpcSettings } from './options.js'
import type { ServedCall } from './served-call.js'

/** Which of a method's messages are bytes. */
export interface BinarySides {
  readonly input: boolean
  readonly output: boolean
}

/** A method that is offered, in one form whatever it was written as. */
export interface OfferedMethod {
  readonly name: string
  readonly kind: MethodKind
  readonly plugin: string
  /** Milliseconds that a call may take; the default if it says nothing. */
  readonly timeoutMs: number | undefined
  /** A call may be a copy of an earlier one. */
  readonly idempotent: boolean
  readonly binary: BinarySides
  /** Calls under way. */
  readonly calls: Set<ServedCall>
  /** Runs the handler. What it returns depends on the kind; see `Handlers` of the contract. */
  readonly run: (call: ServedCall, input: unknown, body?: ReadableStream<Uint8Array>) => unknown
}

const KINDS: readonly unknown[] = ['unary', 'client', 'server', 'duplex', 'raw']

/** What a plugin registers, checked. Throws `ERR_INVALID_INPUT`. */
export function offeredMethod(name: string, plugin: string, given: AnyMethod | ClassHandler): OfferedMethod {
  const kind = handlerKind(given)
  if (kind !== undefined) {
    const handler = given as ClassHandler
    const timeoutMs = checkTimeout(name, handler.timeout)
    const run = handleWithClass(kind, handler)
    return {
      name,
      kind,
      plugin,
      timeoutMs,
      idempotent: false,
      binary: binarySides(name, kind, undefined),
      calls: new Set(),
      run
    }
  }
  const method = given as Partial<AnyMethod> | null | undefined
  if (!KINDS.includes(method?.kind) || typeof method?.handle !== 'function') {
    throw new InvalidInputError(
      `method ${name} has no handler: make it with unary(), client(), server(), duplex() or raw()`
    )
  }
  const handle = method.handle as (...parameters: unknown[]) => unknown
  const run: OfferedMethod['run'] =
    method.kind === 'raw' ? (call, input, body) => handle(input, body, call) : (call, input) => handle(input, call)
  const timeoutMs = checkTimeout(name, method.timeoutMs)
  const idempotent = method.idempotent === true
  const ofKind = method.kind as MethodKind
  return {
    name,
    kind: ofKind,
    plugin,
    timeoutMs,
    idempotent,
    binary: binarySides(name, ofKind, method.binary),
    calls: new Set(),
    run
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
export function checkInput({ name, kind, binary }: OfferedMethod, params: unknown): void {
  const wanted = binary.input && (kind === 'unary' || kind === 'server')
  if (params instanceof Uint8Array !== wanted) {
    throw new RpcError(RpcCode.INVALID_PARAMS, `${name} takes ${wanted ? 'bytes' : 'JSON'}`)
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

function checkTimeout(name: string, timeoutMs: unknown): number | undefined {
  if (timeoutMs === undefined) return undefined
  if (typeof timeoutMs === 'number' && timeoutMs > 0) return timeoutMs
  throw new InvalidInputError(`method ${name}: its timeout must be a positive number of milliseconds`)
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
