import type { Clock, ClockTimer } from '../clock.js'
import { ConnectionClosedError, type Connection } from './transport.js'

/**
 * What was sent last is given up as lost when so many round trips, and so many milliseconds for acknowledgements that
 * are late and packets that are sent again, have passed since then.
 */
const SETTLE_ROUND_TRIPS = 3
const SETTLE_MS = 100

/** What a transport lets a {@link Drain} know of a connection. */
export interface Draining extends Pick<Connection, 'close' | 'stats'> {
  /** Something waits to be sent, or a stream that one side has ended is not over. */
  readonly isBusy: boolean
  /** The peer has everything that was sent. */
  readonly isAcknowledged: boolean
}

/**
 * The end of a connection that is to lose nothing, for transports to fulfil `Connection.drain` with. It closes the
 * connection when nothing is under way any more, and after `drainMs` in any case.
 */
export class Drain {
  /** What becomes of those who want another stream. */
  readonly refusal: ConnectionClosedError
  readonly #limit: ClockTimer
  #settling: ClockTimer | undefined
  #settled = false
  #over = false

  constructor(
    private readonly connection: Draining,
    private readonly clock: Clock,
    { code, reason, drainMs }: { readonly code: number; readonly reason: string; readonly drainMs: number }
  ) {
    this.refusal = new ConnectionClosedError({ code, reason, by: 'us', transport: false })
    this.#limit = clock.setTimeout(() => {
      this.#close()
    }, drainMs)
  }

  /** To be called when something may have changed. */
  look(): void {
    const { connection, clock } = this
    if (this.#over || connection.isBusy) return
    if (this.#settled || connection.isAcknowledged) {
      this.#close()
      return
    }
    // Streams of the peer that are given up meanwhile could go on being acknowledged for ever.
    this.#settling ??= clock.setTimeout(
      () => {
        this.#settled = true
        this.look()
      },
      SETTLE_MS + SETTLE_ROUND_TRIPS * connection.stats().rttMs
    )
  }

  /** The connection has ended. */
  stop(): void {
    this.#over = true
    this.#limit.clear()
    this.#settling?.clear()
  }

  #close(): void {
    const { code, reason } = this.refusal.info
    this.connection.close(code, reason)
  }
}
