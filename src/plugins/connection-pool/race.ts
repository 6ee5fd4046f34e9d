import { setMaxListeners } from 'node:events'
import { Observable, ReplaySubject, share, type Subscriber } from 'rxjs'
import { Address, InvalidInputError, PeerloomError, type NodeId } from '../../model/index.js'
import {
  AbortError,
  CloseCode,
  ConnectionClosedError,
  DeadlineError,
  type Clock,
  type ClockTimer,
  type Connection,
  type DialStep
} from '../../kernel/index.js'
import { isDialable, raceOrder } from './race-order.js'

/** Addresses that one race takes, names and what they resolve to included; more are ignored. */
export const MAX_CANDIDATES = 64
/**
 * How long our own dials may still go on when the peer has reached us meanwhile and ours would prevail. The peer may
 * have accepted one of them already and have given up its own for it, so cutting ours at once could lose both.
 */
export const INBOUND_GRACE_MS = 500

/** What a race is run with. */
export interface RaceSetting {
  readonly peer: NodeId
  readonly clock: Clock
  readonly staggerMs: number
  readonly timeoutMs: number
  /** How long the first dial waits, because the peer may be heard of by other means. */
  readonly headStartMs: number
  readonly loopbackFirst: boolean
  /** Whether early connections are wanted. */
  readonly early: boolean
  dial(address: Address, signal: AbortSignal, early?: (connection: Connection) => void): Promise<Connection>
  resolve(host: string, signal: AbortSignal): Promise<readonly string[]>
  /** Takes a dialled connection into the pool and gives the one that is kept, which may be another. May throw. */
  admit(connection: Connection, ms: number): Connection
  /** Called with each step before it is emitted. */
  tell(step: DialStep): void
  /** Called when the race is over, before anyone is told so. */
  ended(): void
}

/** Dials the addresses of one peer, the likelier first, until one connects. Starts with the first subscription to `steps$`. */
export class Race {
  /** Every step, those so far first. Unsubscribing the last subscriber ends the race. */
  readonly steps$: Observable<DialStep>
  readonly #controller = new AbortController()
  /** What awaits an answer (dials, and names being resolved), with its start. */
  readonly #pending = new Map<Address, number>()
  readonly #known = new Set<string>()
  /** What is yet to be dialled. */
  #waiting: Address[] = []
  #arrived: Connection | undefined
  #lastFamily: 4 | 6 | undefined
  #nextTimer: ClockTimer | undefined
  #deadline: ClockTimer | undefined
  #subscriber: Subscriber<DialStep> | undefined
  #unstarted: Address[] = []
  #waitsForHeadStart = false
  #over = false

  constructor(private readonly setting: RaceSetting) {
    // Every dial listens; more than ten of them are no leak.
    setMaxListeners(0, this.#controller.signal)
    this.steps$ = new Observable<DialStep>((subscriber) => {
      this.#start(subscriber)
      return () => {
        this.#end()
      }
      // Each candidate gives at most three steps.
    }).pipe(share({ connector: () => new ReplaySubject<DialStep>(3 * MAX_CANDIDATES + 1) }))
  }

  /** Adds the addresses that the race does not know yet. */
  add(addresses: readonly Address[]): void {
    if (this.#subscriber === undefined) {
      this.#unstarted.push(...addresses)
      return
    }
    for (const address of addresses) this.#enter(address)
    this.#nextUnlessStaggered()
  }

  /** Tells the race that the peer has connected to us. `ownPrevail`: if we connect as well, ours is the one kept. */
  arrive(connection: Connection, ownPrevail: boolean): void {
    if (this.#over) return
    this.#waitsForHeadStart = false
    if (!ownPrevail || this.#pending.size === 0) {
      this.#win(connection)
      return
    }
    this.#arrived = connection
    this.#setNextTimer(INBOUND_GRACE_MS, () => {
      if (connection.closeInfo === undefined) this.#win(connection)
    })
    void connection.closed.then(() => {
      if (this.#arrived !== connection || this.#over) return
      this.#arrived = undefined
      this.#next()
    })
  }

  /** What the head start was given for will not come. */
  hurry(): void {
    if (!this.#waitsForHeadStart) return
    this.#nextTimer?.clear()
    this.#beginDialling()
  }

  #start(subscriber: Subscriber<DialStep>): void {
    this.#subscriber = subscriber
    if (this.setting.headStartMs > 0) {
      this.#waitsForHeadStart = true
      this.#setNextTimer(this.setting.headStartMs, () => {
        this.#beginDialling()
      })
    }
    this.#deadline = this.setting.clock.setTimeout(() => {
      this.#expire()
    }, this.setting.timeoutMs)
    this.add(this.#unstarted.splice(0))
  }

  #beginDialling(): void {
    this.#waitsForHeadStart = false
    this.#nextTimer = undefined
    this.#next()
  }

  #enter(address: Address): void {
    const key = Address.format(address)
    if (this.#over || this.#known.has(key) || this.#known.size >= MAX_CANDIDATES) return
    this.#known.add(key)
    if (!isDialable(address)) {
      this.#tellFailure(address, new InvalidInputError(`${key} is not an address to dial`), 0)
    } else if (Address.scope(address) === 'name') {
      void this.#resolve(address)
    } else {
      this.#waiting.push(address)
    }
  }

  async #resolve(name: Address): Promise<void> {
    this.#pending.set(name, this.setting.clock.monotonic())
    try {
      const hosts = await this.setting.resolve(name.host, this.#controller.signal)
      const addresses = hosts.map((host) => Address.of(host, name.port))
      if (addresses.length === 0) throw new PeerloomError('ERR_RESOLVE', `${name.host} has no IP address`)
      if (this.#pending.delete(name)) this.add(addresses)
    } catch (error) {
      this.#fail(name, error, 'ERR_RESOLVE')
      this.#nextUnlessStaggered()
    }
  }

  #nextUnlessStaggered(): void {
    if (this.#nextTimer === undefined) this.#next()
  }

  /** Dials the next address; the one after it follows after the stagger, or as soon as one fails. */
  #next(): void {
    if (this.#over) return
    if (this.#arrived !== undefined) {
      if (this.#pending.size === 0 && this.#arrived.closeInfo === undefined) this.#win(this.#arrived)
      return
    }
    const { staggerMs, loopbackFirst } = this.setting
    const [address, ...rest] = raceOrder(this.#waiting, { loopbackFirst, lastFamily: this.#lastFamily })
    this.#waiting = rest
    if (address !== undefined) {
      this.#setNextTimer(staggerMs, () => {
        this.#next()
      })
      this.#lastFamily = Address.family(address)
      void this.#dial(address)
    } else if (this.#pending.size === 0) {
      this.#finish()
    }
  }

  async #dial(address: Address): Promise<void> {
    const { clock, peer } = this.setting
    const startedAt = clock.monotonic()
    this.#pending.set(address, startedAt)
    this.#emit({ type: 'dialing', peer, address })
    if (this.#over) return
    let connection: Connection
    try {
      const early = (made: Connection): void => {
        if (this.#pending.has(address)) this.#emit({ type: 'early', connection: made })
      }
      connection = await this.setting.dial(address, this.#controller.signal, this.setting.early ? early : undefined)
    } catch (error) {
      this.#fail(address, error, 'ERR_DIAL')
      this.#next()
      return
    }
    if (!this.#pending.has(address)) {
      connection.close(CloseCode.DUPLICATE, 'another address was faster')
      return
    }
    try {
      if (connection.closeInfo !== undefined) throw new ConnectionClosedError(connection.closeInfo)
      this.#win(this.setting.admit(connection, clock.monotonic() - startedAt))
    } catch (error) {
      this.#fail(address, error, 'ERR_DIAL')
      this.#next()
    }
  }

  #fail(address: Address, error: unknown, code: string): void {
    const startedAt = this.#pending.get(address)
    if (startedAt === undefined) return
    this.#pending.delete(address)
    this.#tellFailure(address, error, this.setting.clock.monotonic() - startedAt, code)
  }

  #tellFailure(address: Address, error: unknown, ms: number, fallbackCode = 'ERR_DIAL'): void {
    const code = error instanceof PeerloomError ? error.code : fallbackCode
    this.#emit({ type: 'failed', failure: { address, code, error, ms } })
  }

  #emit(step: DialStep): void {
    this.setting.tell(step)
    this.#subscriber?.next(step)
  }

  #expire(): void {
    const arrived = this.#arrived
    if (arrived !== undefined && arrived.closeInfo === undefined) {
      this.#win(arrived)
      return
    }
    const { clock, timeoutMs } = this.setting
    const error = new DeadlineError(`not connected within ${String(timeoutMs)} ms`)
    const unanswered = [...this.#pending]
    this.#pending.clear()
    for (const [address, startedAt] of unanswered) this.#tellFailure(address, error, clock.monotonic() - startedAt)
    for (const address of this.#waiting.splice(0)) this.#tellFailure(address, error, 0)
    this.#finish()
  }

  #win(connection: Connection): void {
    if (this.#over) return
    const subscriber = this.#subscriber
    this.#end()
    subscriber?.next({ type: 'connected', connection })
    subscriber?.complete()
  }

  #finish(): void {
    const subscriber = this.#subscriber
    this.#end()
    subscriber?.complete()
  }

  #setNextTimer(ms: number, callback: () => void): void {
    this.#nextTimer?.clear()
    this.#nextTimer = this.setting.clock.setTimeout(() => {
      this.#nextTimer = undefined
      callback()
    }, ms)
  }

  #end(): void {
    if (this.#over) return
    this.#over = true
    this.#nextTimer?.clear()
    this.#deadline?.clear()
    this.#pending.clear()
    this.#waiting = []
    this.setting.ended()
    this.#controller.abort(new AbortError('the dial is over'))
  }
}
