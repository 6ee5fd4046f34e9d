import type { Observable } from 'rxjs'
import { Subject, takeUntil } from 'rxjs'
import type { Clock, ClockTimer } from './clock.js'
import { AbortError, DeadlineError } from './errors.js'
import type { EventHub } from './event-hub.js'
import type { EventEmitterOf, KernelEvent } from './events.js'
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

/**
 * All that one plugin has registered, and its undoing. A clean-up registered after the end is run at once, so a start
 * that was given up on leaves nothing behind when it finishes after all.
 */
export class Scope {
  #cleanUps: (() => unknown)[] = []
  #controller: AbortController | undefined
  #ended: Subject<void> | undefined
  #timers: Set<ClockTimer> | undefined
  #closed = false
  #aborted = false
  #over = false

  constructor(
    readonly name: string,
    private readonly around: Surroundings
  ) {}

  /** The context that is handed to the plugin. Its costlier parts are made when first used. */
  context(config: unknown): PluginContext {
    // eslint-disable-next-line @typescript-eslint/no-this-alias
    const scope = this
    const { random } = this.around
    return {
      name: this.name,
      config,
      random,
      get signal() {
        return scope.signal
      },
      get clock() {
        return once(this, 'clock', scope.#makeClock())
      },
      get events() {
        return once(this, 'events', scope.#makeEvents())
      },
      get log() {
        return once(this, 'log', namedLogger(scope.name, scope.around.log))
      },
      defer: this.defer
    }
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#aborted) this.#controller.abort(this.#abortError())
    }
    return this.#controller.signal
  }

  /** Bound to its scope, so that a view may take it along. */
  readonly defer = (cleanUp: () => unknown): void => {
    if (this.#closed) void this.#attempt(cleanUp)
    else this.#cleanUps.push(cleanUp)
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
    if (this.#cleanUps.length > 0) return this.#unwind(timeoutMs)
    this.#over = true
    return []
  }

  #clearTimers(): void {
    for (const timer of this.#timers ?? []) timer.clear()
    this.#timers?.clear()
  }

  async #unwind(timeoutMs: number): Promise<unknown[]> {
    const errors: unknown[] = []
    let late = false
    const run = async (): Promise<void> => {
      for (let cleanUp = this.#cleanUps.pop(); cleanUp !== undefined; cleanUp = this.#cleanUps.pop()) {
        const failure = this.#attempt(cleanUp, errors)
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
    // Clean-ups may have set timers of their own.
    this.#over = true
    this.#clearTimers()
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

  #makeClock(): Clock {
    const { clock } = this.around
    const timers = (this.#timers = new Set<ClockTimer>())
    return {
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      hold: () => clock.hold(),
      setTimeout: (callback, ms, options) => {
        if (this.#over) return { clear: () => undefined }
        const fire = (): void => {
          timers.delete(timer)
          callback()
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

  #makeEvents(): PluginContext['events'] {
    const { hub } = this.around
    const emit: EventEmitterOf = (type, details, options) => {
      hub.emit(this.name, type, details, options?.attempt)
    }
    const ended = (this.#ended = new Subject<void>())
    const stream: Observable<KernelEvent> = hub.events.pipe(takeUntil(ended))
    return { stream, emit }
  }
}

/** Replaces a getter by its value. */
function once<T>(object: object, key: string, value: T): T {
  Object.defineProperty(object, key, { value, enumerable: true })
  return value
}
