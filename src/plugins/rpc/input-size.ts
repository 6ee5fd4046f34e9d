import { RpcCode, RpcError, type MethodLimits } from '../../kernel/index.js'
import { withChecked } from './checked-input.js'
import { toJson } from './json.js'
import { isObject } from './messages.js'
import type { MethodName, Run } from './method.js'

/** A handler that gets no input, nor item of one, beyond a size or depth; the handler itself if it takes any. */
export function measured(method: MethodName, run: Run, limits: MethodLimits): Run {
  const { maxInputBytes = Infinity, maxInputDepth = Infinity } = limits
  if (maxInputBytes === Infinity && maxInputDepth === Infinity) return run
  const refusal = (text: string): RpcError =>
    new RpcError(RpcCode.INVALID_PARAMS, `an input for ${method.name} is ${text}`)
  return withChecked(method, run, (input) => {
    if (sizeOf(input) > maxInputBytes) {
      throw refusal(`longer than ${String(maxInputBytes)} bytes (maxInputBytes)`)
    }
    if (isDeeper(input, maxInputDepth)) {
      throw refusal(`nested deeper than ${String(maxInputDepth)} (maxInputDepth)`)
    }
    return input
  })
}

function sizeOf(input: unknown): number {
  return input instanceof Uint8Array ? input.length : Buffer.byteLength(toJson(input) ?? '')
}

/** Whether brackets are nested deeper. What came by the wire is no deeper than `maxJsonDepth`, so this ends soon. */
function isDeeper(value: unknown, levels: number): boolean {
  if (levels === Infinity || value instanceof Uint8Array || (!Array.isArray(value) && !isObject(value))) return false
  return levels <= 0 || Object.values(value).some((member) => isDeeper(member, levels - 1))
}
