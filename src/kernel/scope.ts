import { ReplaySubject, takeUntil, tap, type Observable } from 'rxjs'
import type { Clock, ClockTimer } from './clock.js'
import { AbortError, DeadlineError, InvalidInputError, messageOf } from './errors.js'
import type { EventHub } from './event-hub.js'
import type { EventEmitterOf } from './events.js'
import { namedLogger, type Logger } from './log.js'
import type { PluginContext } from './plugin.js'
import type { Random } from './random.js'

/** What all scopes of one kernel share. */
export interface Surroundings {
  readonly clock: Clock
  readonly random: Random
  readonly hub: EventHub
  readonly log: Logger
}

interface CleanUp {
  readonly run: () => unknown
  /** Its name among the registrations. */
  readonly what: string
}

/** Something that a plugin has registered and not taken back, and how many times. */
export interface Registration {
  readonly what: string
  readonly count: number
}

const nothing = (): void => undefined

/**
 * All that one plugin has registered, and its undoing. A clean-up registered after the end is run at once, so a start
 * that was given up on leaves nothing behind when it finishes after all.
 */
export class Scope {
  #cleanUps: Set<CleanUp> | undefined
  #subscriptions = 0
  #controller: AbortController | undefined
  #ended: ReplaySubject<void> | undefined
  #timers: Set<ClockTimer> | undefined
  #holds: Set<() => void> | undefined
  #closed = false
  #aborted = false
  #over = false

  constructor(
    readonly name: string,
    private readonly around: Surroundings
  ) {}

  /** The context that is handed to the plugin. */
  context(config: unknown): PluginContext {
    return new Context(this, config, this.around.random)
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#aborted) this.#controller.abort(this.#abortError())
    }
    return this.#controller.signal
  }

  /** Bound to its scope, so that a view may take it along. */
  readonly defer = (run: () => unknown, what = 'clean-up'): (() => void) => {
    if (typeof (run as unknown) !== 'function') throw new InvalidInputError('a clean-up is a function')
    if (this.#closed) {
      void this.#attempt(run)
      return nothing
    }
    const cleanUps = (this.#cleanUps ??= new Set())
    const cleanUp = { run, what }
    cleanUps.add(cleanUp)
    return () => {
      cleanUps.delete(cleanUp)
    }
  }

  /** What is registered now, in the order of its first registration. */
  get registrations(): Registration[] {
    const counts = new Map<string, number>()
    for (const { what } of this.#cleanUps ?? []) counts.set(what, (counts.get(what) ?? 0) + 1)
    if (this.#timers !== undefined) counts.set('timer', this.#timers.size)
    if (this.#subscriptions > 0) counts.set('subscription to events', this.#subscriptions)
    return [...counts].filter(([, count]) => count > 0).map(([what, count]) => ({ what, count }))
  }

  /** Aborts the signal ahead of the end. */
  abort(): void {
    this.#aborted = true
    this.#controller?.abort(this.#abortError())
  }

  /**
   * Undoes everything, latest first, each awaited. After `timeoutMs` the rest is started without waiting, so that one
   * clean-up that hangs leaks no more than itself. Returns what went wrong; never throws.
   */
  close(timeoutMs: number): unknown[] | Promise<unknown[]> {
    if (this.#closed) return []
    this.#closed = true
    this.abort()
    this.#ended?.next()
    this.#clearTimers()
    if (this.#cleanUps !== undefined && this.#cleanUps.size > 0) return this.#unwind(this.#cleanUps, timeoutMs)
    this.#finish()
    return []
  }

  #finish(): void {
    this.#over = true
    // Clean-ups may have set timers of their own, and hold the clock until they are done.
    this.#clearTimers()
    for (const release of this.#holds ?? []) release()
  }

  #clearTimers(): void {
    for (const timer of this.#timers ?? []) timer.clear()
    this.#timers?.clear()
  }

  async #unwind(cleanUps: Set<CleanUp>, timeoutMs: number): Promise<unknown[]> {
    const errors: unknown[] = []
    let late = false
    const left = [...cleanUps]
    const run = async (): Promise<void> => {
      for (let cleanUp = left.pop(); cleanUp !== undefined; cleanUp = left.pop()) {
        // Another clean-up may have made this one needless.
        if (!cleanUps.delete(cleanUp)) continue
        const failure = this.#attempt(cleanUp.run, errors)
        if (!late) await failure
      }
    }
    await new Promise<void>((resolve) => {
      const timer = this.around.clock.setTimeout(() => {
        late = true
        errors.push(new DeadlineError(`plugin ${this.name} did not stop within ${String(timeoutMs)} ms`))
        void run()
        resolve()
      }, timeoutMs)
      void run().then(() => {
        timer.clear()
        resolve()
      })
    })
    this.#finish()
    return [...errors]
  }

  async #attempt(cleanUp: () => unknown, errors?: unknown[]): Promise<void> {
    try {
      await cleanUp()
    } catch (error) {
      errors?.push(error)
      if (errors === undefined) this.around.log.error(`${this.name}: a clean-up failed`, error)
    }
  }

  #abortError(): AbortError {
    return new AbortError(`plugin ${this.name} is stopping`)
  }

  /** The kernel's clock, with timers and holds that end with the plugin. */
  makeClock(): Clock {
    const { clock } = this.around
    const timers = (this.#timers = new Set<ClockTimer>())
    const holds = (this.#holds = new Set<() => void>())
    return {
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      hold: () => {
        if (this.#over) return nothing
        const end = clock.hold()
        const release = (): void => {
          holds.delete(release)
          end()
        }
        holds.add(release)
        return release
      },
      setTimeout: (callback, ms, options) => {
        if (typeof callback !== 'function' || Number.isNaN(ms)) {
          throw new InvalidInputError('a timer takes a function, and a number of milliseconds')
        }
        if (this.#over) return { clear: () => undefined }
        const fire = (): void => {
          timers.delete(timer)
          try {
            callback()
          } catch (error) {
            // Nobody is there to catch it, so the process would end, and nothing would name the plugin.
            this.around.log.error(`${this.name}: a timer failed`, error)
            this.around.hub.emit(this.name, 'node.warning', { message: `a timer failed: ${messageOf(error)}`, error })
          }
        }
        const inner = clock.setTimeout(fire, ms, options)
        const timer: ClockTimer = {
          clear: () => {
            timers.delete(timer)
            inner.clear()
          }
        }
        timers.add(timer)
        return timer
      }
    }
  }

  makeLog(): Logger {
    return namedLogger(this.name, this.around.log)
  }

  makeEvents(): PluginContext['events'] {
    const { hub } = this.around
    const emit: EventEmitterOf = (type, details, options) => {
      hub.emit(this.name, type, details, options?.attempt)
    }
    // One that remembers, for a start that was given up and subscribes all the same.
    const ended = (this.#ended = new ReplaySubject<void>(1))
    if (this.#closed) ended.next()
    const own = <T>(events: Observable<T>): Observable<T> =>
      events.pipe(
        takeUntil(ended),
        tap({ subscribe: () => this.#subscriptions++, finalize: () => this.#subscriptions-- })
      )
    return { stream: own(hub.events), of: (...types) => own(hub.of(...types)), emit }
  }
}

/** What a plugin sees of its scope. Its costlier parts are made when first used, since most plugins use few. */
class Context implements PluginContext {
  readonly name: string
  readonly defer: PluginContext['defer']
  readonly #scope: Scope
  #clock: Clock | undefined
  #events: PluginContext['events'] | undefined
  #log: Logger | undefined

  constructor(
    scope: Scope,
    readonly config: unknown,
    readonly random: Random
  ) {
    this.name = scope.name
    this.defer = scope.defer
    this.#scope = scope
  }

  get signal(): AbortSignal {
    return this.#scope.signal
  }

  get clock(): Clock {
    return (this.#clock ??= this.#scope.makeClock())
  }

  get events(): PluginContext['events'] {
    return (this.#events ??= this.#scope.makeEvents())
  }

  get log(): Logger {
    return (this.#log ??= this.#scope.makeLog())
  }
}
