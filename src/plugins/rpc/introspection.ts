import * as v from 'valibot'
import { unary, type CallMeta, type CallOptions, type MethodDescription, type RpcTarget } from '../../kernel/index.js'
import { callerOf } from './call.js'
import type { RpcEnvironment } from './environment.js'
import { offeredMethod, type OfferedMethod } from './method.js'
import { validAnswer } from './validation.js'

/** The method that lists what its caller may call. */
export const METHODS = 'rpc.methods'

/** It asks every access rule there is, so one peer may not do so all the time. */
const LIMITS = { ratePerPeer: { perSecond: 1, burst: 10 }, concurrentPerPeer: 2 }

export function introspection(all: () => Iterable<OfferedMethod>, environment: RpcEnvironment): OfferedMethod {
  const list = unary(async (_input: unknown, { meta }) => {
    const asked = [...all()].filter(({ name }) => name !== METHODS)
    const allowed = await Promise.all(asked.map((method) => isFor(meta, method)))
    return { methods: asked.filter((_, i) => allowed[i]).map(describe) }
  })
  return offeredMethod(METHODS, 'rpc', { ...list, idempotent: true, limits: LIMITS }, {}, environment)
}

async function isFor(caller: CallMeta, { name, options }: OfferedMethod): Promise<boolean> {
  try {
    return (await options.allow?.(caller, name)) ?? true
  } catch {
    return false
  }
}

function describe({ name, kind, timeoutMs, options }: OfferedMethod): MethodDescription {
  return {
    name,
    kind,
    ...(timeoutMs === undefined || timeoutMs === Infinity ? {} : { timeoutMs }),
    ...(options.idempotent === true && { idempotent: true }),
    ...(options.limits && { limits: options.limits })
  }
}

const rate = v.object({ perSecond: v.number(), burst: v.exactOptional(v.number()) })
const number = v.exactOptional(v.number())

/** What a peer may say of itself; whatever more it says is left out. */
const answer = v.object({
  methods: v.array(
    v.object({
      name: v.string(),
      kind: v.picklist(['unary', 'client', 'server', 'duplex', 'raw']),
      timeoutMs: number,
      idempotent: v.exactOptional(v.boolean()),
      limits: v.exactOptional(
        v.object({
          rate: v.exactOptional(rate),
          ratePerPeer: v.exactOptional(rate),
          concurrent: number,
          concurrentPerPeer: number,
          maxInputBytes: number,
          maxInputDepth: number
        })
      )
    })
  )
})

/** Asks a peer what this node may call. */
export async function methodsOf(
  environment: RpcEnvironment,
  target: RpcTarget,
  options?: CallOptions
): Promise<MethodDescription[]> {
  const call = callerOf('unary', { environment, target, method: METHODS, binary: { input: false, output: false } })
  const ask = call as (input: unknown, options?: CallOptions) => Promise<unknown>
  const { methods } = validAnswer(answer, await ask({}, options)) as v.InferOutput<typeof answer>
  return methods
}
