import { abortReason, type Clock, type Connection, type DialOptions } from '../../kernel/index.js'
import type { NodeId } from '../../model/index.js'
import type { Configs } from './configs.js'
import type { Handover } from './handover.js'
import type { QuicTransportConfig } from './options.js'
import { CID_BYTES } from './packet.js'
import type { Quiche } from './quiche.js'
import type { RandomPool } from './random-pool.js'
import type { Sessions } from './sessions.js'
import { Tickets } from './tickets.js'
import type { Way } from './way.js'

export interface DiallerParts {
  readonly quiche: Quiche
  readonly options: QuicTransportConfig
  readonly clock: Clock
  readonly configs: Configs
  readonly sessions: Sessions
  readonly handover: Handover
  readonly random: RandomPool
}

/** The dialling side of an endpoint: begins sessions, by a ticket of an earlier one where there is one. */
export class Dialler {
  readonly #parts: DiallerParts
  readonly #tickets: Tickets

  constructor(parts: DiallerParts) {
    this.#parts = parts
    this.#tickets = new Tickets(parts.clock, parts.options.maxTickets)
  }

  /** Rejects with `ERR_DIAL`, `ERR_PEER_MISMATCH`, or the signal's reason. */
  dial(peer: NodeId, way: Way, { signal, early }: DialOptions): Promise<Connection> {
    const { sessions, handover } = this.#parts
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        session.cancel(abortReason(signal as AbortSignal))
      }
      const session = sessions.begin({
        way,
        expected: peer,
        connect: (local, datagramBytes) => {
          const { quiche, configs, random } = this.#parts
          const ticket = this.#tickets.take(peer, datagramBytes)
          const config = configs.get(datagramBytes, ticket !== undefined && early !== undefined)
          const native = quiche.Connection.connect(null, random.take(CID_BYTES), local, way.remote, config)
          if (ticket !== undefined) native.setSession(ticket)
          return native
        },
        claimsEarly: () => true,
        early: (connection) => {
          if (early !== undefined) handover.give(connection, early)
        },
        succeeded: (connection) => {
          signal?.removeEventListener('abort', onAbort)
          resolve(connection)
        },
        failed: (error) => {
          signal?.removeEventListener('abort', onAbort)
          reject(error)
        },
        ended: ({ native, openedAt }, datagramBytes) => {
          const ticket = native.session()
          if (ticket !== null) this.#tickets.put(peer, datagramBytes, ticket, openedAt)
        }
      })
      signal?.addEventListener('abort', onAbort, { once: true })
      session.driver.schedule()
    })
  }
}
