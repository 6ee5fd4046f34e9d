import { RpcCode, RpcError } from '../../kernel/index.js'
import type { OfferedMethod } from './method.js'

/** The answer to a call of a method that is not there, or not to be seen. */
export function noSuchMethod(name: string): RpcError {
  return new RpcError(RpcCode.METHOD_NOT_FOUND, `no such method: ${JSON.stringify(name.slice(0, 128))}`)
}

/** A node or a method has too much to do. */
export function busy(text: string, retryAfterMs?: number): RpcError {
  return new RpcError(RpcCode.BUSY, text, retryAfterMs === undefined ? {} : { data: { retryAfterMs } })
}

/** Why a method cannot be called like that; of a hidden one, only that it is not there. */
export function misused({ name, hidden }: Pick<OfferedMethod, 'name' | 'hidden'>, error: Error): Error {
  return hidden ? noSuchMethod(name) : error
}
