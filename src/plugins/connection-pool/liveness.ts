import { takeUntil, timer, type Observable } from 'rxjs'
import {
  abortReason,
  clockScheduler,
  PeerloomError,
  untilAborted,
  type Clock,
  type Connection,
  type DialStep,
  type PoolDialOptions
} from '../../kernel/index.js'
import { isLive, type Entry } from './roster.js'
import { answerLimitMs } from './silence.js'

/** How long a check may take; who wants the peer goes other ways then. */
export const CHECK_MS = 2_000

interface LivenessSetting {
  readonly clock: Clock
  readonly maxSilenceMs: number
  /** Asks the peer for a sign of life on its connection, and dials it where it was. */
  readonly revive: (entry: Entry, attempt: string | undefined) => Observable<DialStep>
}

/**
 * Whether connections are what they seem: a peer that was killed and restarted is silence. Before a connection is handed
 * out something must have been heard on it lately, and something must be heard soon after.
 */
export class Liveness {
  constructor(private readonly setting: LivenessSetting) {}

  /** Whether a connection may be handed out without a question. */
  isFresh({ current }: Entry, maxSilenceMs = this.setting.maxSilenceMs): boolean {
    return this.setting.clock.monotonic() - current.heardAt <= maxSilenceMs
  }

  /** Whether the peer has left a question unanswered, and nothing was heard of it since. */
  isDoubted({ current, doubtedAt }: Entry): boolean {
    return current.heardAt === doubtedAt
  }

  /** Gives a connection away as alive, and looks after a while whether that was right. */
  handOut(entry: Entry): Connection {
    const { current } = entry
    const { clock } = this.setting
    if (entry.watch !== undefined) return current
    const since = clock.monotonic()
    const look = (): void => {
      entry.watch = undefined
      if (entry.current !== current || !isLive(current) || current.heardAt > since) return
      // It rejects when the pool stops; there is nobody to tell.
      this.check(entry).catch(() => undefined)
    }
    entry.watch = clock.setTimeout(look, answerLimitMs(current), { background: true })
    return current
  }

  /** Waits for a sign of life, on the connection or on a new one. */
  check(entry: Entry, { signal, attempt }: PoolDialOptions = {}): Promise<Connection | undefined> {
    if (signal?.aborted === true) return Promise.reject(abortReason(signal))
    const { clock, revive } = this.setting
    const { current } = entry
    const { heardAt } = current
    const timeUp = timer(CHECK_MS, clockScheduler(clock))
    return new Promise((resolve, reject) => {
      let alive: Connection | undefined
      revive(entry, attempt)
        .pipe(untilAborted(signal), takeUntil(timeUp))
        .subscribe({
          next: (step) => {
            if (step.type === 'connected') alive = step.connection
          },
          error: (error: Error) => {
            if (error instanceof PeerloomError && error.code === 'ERR_LIMIT') resolve(undefined)
            else reject(error)
          },
          complete: () => {
            if (alive === undefined && current.heardAt === heardAt) entry.doubtedAt = heardAt
            resolve(alive)
          }
        })
    })
  }
}
