import { PeerloomError, RpcError, sleep, systemClock, type CallOptions, type Client } from '#src/kernel/index.js'
import type { methodsOf } from './methods.js'
import { bytesOf, FAILURE_CODE, itemAt, itemsOf, orderOf, type Plan } from './plan.js'

export type Methods = Client<ReturnType<typeof methodsOf>>

/** How a call ended for its caller. */
export type Outcome = 'answered' | 'failed' | 'timed out' | 'cancelled' | 'left'

/** Makes a call as planned. Rejects if it ends otherwise than it may. */
export async function make(plan: Plan, methods: Methods, lasting: AbortSignal): Promise<Outcome> {
  const controller = plan.cancelMs === undefined ? undefined : new AbortController()
  const reason = new PeerloomError('ERR_STATE', `call ${plan.id} is given up`)
  const options = { timer: plan.timeoutMs, signal: controller?.signal ?? lasting }
  const made = calls[plan.kind](plan, methods, options)
  if (controller !== undefined)
    await Promise.race([made.catch(() => undefined), sleep(systemClock, plan.cancelMs ?? 0)])
  controller?.abort(reason)
  try {
    const outcome = await made
    if (outcome === 'answered' && plan.fate !== 'answer') throw new Error(`it was answered, but was to ${plan.fate}`)
    return outcome
  } catch (error) {
    if (controller !== undefined && error === reason) return 'cancelled'
    if (plan.fate === 'fail' && isFailure(plan, error)) return 'failed'
    if (plan.fate === 'hang' && (error as RpcError).code === 'ERR_RPC_TIMEOUT') return 'timed out'
    throw error
  }
}

function isFailure({ id }: Plan, error: unknown): boolean {
  if (!(error instanceof RpcError)) return false
  return error.rpcCode === FAILURE_CODE + id && error.message === `call ${id}` && error.data === id
}

const calls: Record<Plan['kind'], (plan: Plan, methods: Methods, options: CallOptions) => Promise<Outcome>> = {
  async unary(plan, methods, options) {
    return same(await methods.unary(orderOf(plan), options), plan.id)
  },
  async client(plan, methods, options) {
    return same(await methods.client([orderOf(plan), ...itemsOf(plan)], options), itemsOf(plan))
  },
  server: (plan, methods, options) => readAll(plan, methods.server(orderOf(plan), options)),
  duplex: (plan, methods, options) => readAll(plan, methods.duplex([orderOf(plan), ...itemsOf(plan)], options)),
  async raw(plan, methods, options) {
    const bytes = bytesOf(plan)
    const { result, body } = await methods.raw(orderOf(plan), [bytes], options)
    const chunks: Uint8Array[] = []
    for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) chunks.push(chunk)
    if (result !== plan.id || !Buffer.concat(chunks).equals(bytes)) throw new Error('other bytes than were sent')
    return 'answered'
  }
}

async function readAll(plan: Plan, items: AsyncIterableIterator<number>): Promise<Outcome> {
  let at = 0
  for (;;) {
    if (at === plan.leaveAfter) {
      await items.return!()
      return 'left'
    }
    const item = await items.next()
    if (item.done === true) return same(at, plan.size)
    same(item.value, itemAt(plan, at++))
  }
}

function same(value: unknown, expected: unknown): Outcome {
  if (JSON.stringify(value) !== JSON.stringify(expected)) {
    throw new Error(`${JSON.stringify(value)} instead of ${JSON.stringify(expected)}`)
  }
  return 'answered'
}
