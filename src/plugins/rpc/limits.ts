import type { Clock, MethodLimits } from '../../kernel/index.js'
import { measured } from './input-size.js'
import type { MethodName, Run } from './method.js'
import { tap } from './outcome.js'
import { RateLimit } from './rate-limit.js'
import { busy } from './refusals.js'

/** A handler behind its method's limits. */
export function limited(method: MethodName, run: Run, limits: MethodLimits, clock: Clock): Run {
  return new Limits(method, measured(method, run, limits), limits, clock).run
}

/** The numbers and rates of one method. */
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
    if (concurrent === undefined && concurrentPerPeer === undefined) return this.handler(call, input, body)
    this.#count(peer, 1)
    const over = (): void => {
      this.#count(peer, -1)
    }
    let outcome: unknown
    try {
      outcome = this.handler(call, input, body)
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
}
