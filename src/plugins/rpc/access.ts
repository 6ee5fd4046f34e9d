import { RpcCode, RpcError, type AccessRule } from '../../kernel/index.js'
import { isThenable } from './item-iterator.js'
import type { MethodName, Run } from './method.js'
import { promised } from './outcome.js'
import { noSuchMethod } from './refusals.js'

/** A handler behind an access rule. */
export function ruled({ name, kind }: MethodName, run: Run, allow: AccessRule, hidden: boolean): Run {
  const refusal = (): RpcError =>
    hidden ? noSuchMethod(name) : new RpcError(RpcCode.FORBIDDEN, `not allowed to call ${name}`)
  return (call, input, body) => {
    const proceed = (allowed: boolean): unknown => {
      if (!allowed) throw refusal()
      return run(call, input, body)
    }
    let allowed: boolean | Promise<boolean>
    try {
      allowed = allow(call.meta, name)
    } catch (error) {
      throw hidden ? refusal() : error
    }
    if (!isThenable(allowed)) return proceed(allowed)
    const later = allowed.catch((error: unknown) => {
      throw hidden ? refusal() : error
    })
    return promised(kind, later.then(proceed))
  }
}
