import type { Clock } from '../../kernel/index.js'
import type { NodeId } from '../../model/index.js'

/** How long a ticket is used. Its issuer forgets the key when it will, and early data that is refused costs a round trip. */
export const TICKET_MS = 3 * 3_600_000

interface Ticket {
  readonly bytes: Uint8Array
  readonly expires: number
}

/**
 * Session tickets of the nodes that were dialled (RFC 8446 §4.6.1), one a node and size of datagrams, which is part of
 * what a ticket remembers. Each is used once (§C.4): a connection that it has shortened gives another. The application
 * protocol and our own certificate need not match: TLS checks the one, and all certificates of a node say the same.
 */
export class Tickets {
  /** Oldest first. */
  readonly #tickets = new Map<string, Ticket>()

  constructor(
    private readonly clock: Clock,
    private readonly limit: number
  ) {}

  /** Keeps a ticket that was issued at `issuedAt` (by `Clock.monotonic`) in place of an earlier one. */
  put(peer: NodeId, datagramBytes: number, bytes: Uint8Array, issuedAt: number): void {
    const key = keyOf(peer, datagramBytes)
    this.#tickets.delete(key)
    this.#tickets.set(key, { bytes, expires: issuedAt + TICKET_MS })
    const [oldest] = this.#tickets.keys()
    if (oldest !== undefined && this.#tickets.size > this.limit) this.#tickets.delete(oldest)
  }

  /** Gives a ticket away, never to be given again. */
  take(peer: NodeId, datagramBytes: number): Uint8Array | undefined {
    const key = keyOf(peer, datagramBytes)
    const ticket = this.#tickets.get(key)
    this.#tickets.delete(key)
    return ticket !== undefined && this.clock.monotonic() < ticket.expires ? ticket.bytes : undefined
  }
}

function keyOf(peer: NodeId, datagramBytes: number): string {
  return `${peer} ${String(datagramBytes)}`
}
