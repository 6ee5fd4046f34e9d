import { InvalidInputError, isReservedRpcCode, RpcError, type RpcErrorClass } from '../../kernel/index.js'

type ErrorClasses = ReadonlyMap<number, RpcErrorClass>

/** Classes by their codes. Throws `ERR_INVALID_INPUT` for what is no such class, or a code that is reserved or taken. */
export function errorClasses(name: string, classes: readonly RpcErrorClass[] = []): ErrorClasses {
  const byCode = new Map<number, RpcErrorClass>()
  for (const each of classes) {
    const rpcCode: unknown = (each as RpcErrorClass | null)?.rpcCode
    if (typeof each !== 'function' || typeof rpcCode !== 'number' || !Number.isSafeInteger(rpcCode)) {
      throw new InvalidInputError(`errors of ${name}: a class of errors needs a static rpcCode, an integer`)
    }
    if (isReservedRpcCode(rpcCode)) {
      throw new InvalidInputError(`errors of ${name}: ${String(rpcCode)} is reserved (from -32768 to -32000)`)
    }
    const other = byCode.get(rpcCode)
    if (other !== undefined && other !== each) {
      throw new InvalidInputError(`errors of ${name}: two classes have the code ${String(rpcCode)}`)
    }
    byCode.set(rpcCode, each)
  }
  return byCode
}

/** What a call failed with, as an instance of the class for its code. A class that cannot be built changes nothing. */
export function asClass(error: unknown, classes: ErrorClasses): unknown {
  if (!(error instanceof RpcError)) return error
  const { rpcCode, message, data, cause } = error
  const Class = classes.get(rpcCode)
  if (Class === undefined) return error
  try {
    return new Class(message, {
      ...(data === undefined ? {} : { data }),
      ...(cause === undefined ? {} : { cause })
    })
  } catch {
    return error
  }
}
