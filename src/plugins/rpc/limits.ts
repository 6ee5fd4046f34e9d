import { RpcCode, RpcError, type Clock, type MethodLimits } from '../../kernel/index.js'
import { toJson } from './json.js'
import { isObject } from './messages.js'
import type { MethodName, Run } from './method.js'
import { tap, TappedItems } from './outcome.js'
import { RateLimit } from './rate-limit.js'
import { busy } from './refusals.js'
import type { ServedCall } from './served-call.js'

/** A handler behind its method's limits. */
export function limited(method: MethodName, run: Run, limits: MethodLimits, clock: Clock): Run {
  return new Limits(method, run, limits, clock).run
}

/** The numbers, rates and sizes of one method. */
class Limits {
  readonly #rate: RateLimit | undefined
  readonly #ratePerPeer: RateLimit | undefined
  readonly #running = new Map<string, number>()
  #total = 0

  constructor(
    private readonly method: MethodName,
    private readonly handler: Run,
    private readonly limits: MethodLimits,
    clock: Clock
  ) {
    const { rate, ratePerPeer } = limits
    this.#rate = rate && new RateLimit(clock, rate)
    this.#ratePerPeer = ratePerPeer && new RateLimit(clock, ratePerPeer)
  }

  readonly run: Run = (call, input, body) => {
    const { kind } = this.method
    const { concurrent, concurrentPerPeer } = this.limits
    const peer = call.meta.nodeId.toString()
    this.#checkNumbers(peer)
    this.#checkRates(peer)
    const checked = this.#measured(call, input)
    if (concurrent === undefined && concurrentPerPeer === undefined) return this.handler(call, checked, body)
    this.#count(peer, 1)
    const over = (): void => {
      this.#count(peer, -1)
    }
    let outcome: unknown
    try {
      outcome = this.handler(call, checked, body)
    } catch (error) {
      over()
      throw error
    }
    return tap(kind, outcome, { over })
  }

  #checkNumbers(peer: string): void {
    const { concurrent = Infinity, concurrentPerPeer = Infinity } = this.limits
    if (this.#total < concurrent && (this.#running.get(peer) ?? 0) < concurrentPerPeer) return
    throw busy(`too many calls of ${this.method.name} at a time`)
  }

  /** Takes a token of each, or of none. */
  #checkRates(peer: string): void {
    const waitMs = Math.max(this.#ratePerPeer?.waitMs(peer) ?? 0, this.#rate?.waitMs('') ?? 0)
    if (waitMs > 0) throw busy(`too many calls of ${this.method.name}`, Math.ceil(waitMs))
    this.#ratePerPeer?.take(peer)
    this.#rate?.take('')
  }

  #count(peer: string, change: 1 | -1): void {
    this.#total += change
    const running = (this.#running.get(peer) ?? 0) + change
    if (running === 0) this.#running.delete(peer)
    else this.#running.set(peer, running)
  }

  /** The input, or a stream of it whose items are each looked at; a bad one ends the call whatever the handler does. */
  #measured(call: ServedCall, input: unknown): unknown {
    const { maxInputBytes, maxInputDepth } = this.limits
    if (maxInputBytes === undefined && maxInputDepth === undefined) return input
    if (this.method.kind !== 'client' && this.method.kind !== 'duplex') {
      this.#measure(input)
      return input
    }
    return new TappedItems(input as AsyncIterable<unknown>, {
      value: (item) => {
        try {
          this.#measure(item)
        } catch (error) {
          call.abort(error as Error)
          throw error
        }
        return item
      }
    })
  }

  #measure(input: unknown): void {
    const { maxInputBytes = Infinity, maxInputDepth = Infinity } = this.limits
    if (sizeOf(input) > maxInputBytes) {
      throw tooMuch(`an input for ${this.method.name} is longer than ${String(maxInputBytes)} bytes (maxInputBytes)`)
    }
    if (isDeeper(input, maxInputDepth)) {
      throw tooMuch(`an input for ${this.method.name} is nested deeper than ${String(maxInputDepth)} (maxInputDepth)`)
    }
  }
}

function tooMuch(text: string): RpcError {
  return new RpcError(RpcCode.INVALID_PARAMS, text)
}

function sizeOf(input: unknown): number {
  return input instanceof Uint8Array ? input.length : Buffer.byteLength(toJson(input) ?? '')
}

/** Whether brackets are nested deeper. What came by the wire is no deeper than `maxJsonDepth`, so this ends soon. */
function isDeeper(value: unknown, levels: number): boolean {
  if (levels === Infinity || value instanceof Uint8Array || (!Array.isArray(value) && !isObject(value))) return false
  return levels <= 0 || Object.values(value).some((member) => isDeeper(member, levels - 1))
}
