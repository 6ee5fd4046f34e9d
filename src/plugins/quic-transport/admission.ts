import type { Clock } from '../../kernel/index.js'
import { Address, type NodeId } from '../../model/index.js'
import type { QuicTransportConfig } from './options.js'
import type { DropCause } from './packet.js'

/** A handshake counts for at least so long, lest those that fail at once, and cost as much, be beyond all limits. */
const MIN_HANDSHAKE_MS = 1_000

export type AdmissionLimits = Pick<
  QuicTransportConfig,
  | 'maxHandshakes'
  | 'retryAboveHandshakes'
  | 'maxHandshakesPerAddress'
  | 'maxConnectionsPerAddress'
  | 'maxConnectionsPerNode'
>

/** What one address has begun: kept as long as there is any of it. */
interface Tally {
  readonly address: string
  handshakes: number
  /** Of the handshakes, those whose client has shown that it receives what is sent to the address. */
  proven: number
  connections: number
}

/** A session that another node has begun, as far as limits are concerned. */
export interface Guest {
  readonly begunAt: number
  readonly proven: boolean
  /** `undefined` where there are no limits. */
  readonly tally: Tally | undefined
  peer: NodeId | undefined
}

/**
 * Who may come in. What could be sent under a false address never takes the place of who has proved its own: the
 * unproven are asked for proof, at no cost of memory, before they have filled anything.
 */
export class Admission {
  readonly #tallies = new Map<string, Tally>()
  readonly #nodes = new Map<NodeId, number>()
  /** Guests that failed within {@link MIN_HANDSHAKE_MS}, the longest-standing first. They count as handshakes. */
  readonly #failed: Guest[] = []
  #handshakes = 0

  constructor(
    private readonly limits: AdmissionLimits,
    private readonly clock: Clock
  ) {}

  /** Addresses and nodes that something is kept for. */
  get size(): number {
    return this.#tallies.size + this.#nodes.size
  }

  /** Decides about a client's first packet. @param proven whether it has shown a token of ours */
  judge(from: Address, proven: boolean): 'admit' | DropCause {
    const { maxHandshakes, retryAboveHandshakes, maxHandshakesPerAddress, maxConnectionsPerAddress } = this.limits
    if (this.#failed.length > 0) this.#forgetFailed()
    if (this.#handshakes >= maxHandshakes) return 'handshake limit'
    if (!proven && this.#handshakes >= retryAboveHandshakes) return 'unproven address'
    const tally = isLimited(from) ? this.#tallies.get(keyOf(from)) : undefined
    if (tally === undefined) return 'admit'
    if (tally.connections >= maxConnectionsPerAddress) return 'connection limit of an address'
    if (!proven) return tally.handshakes >= maxHandshakesPerAddress ? 'unproven address' : 'admit'
    return tally.proven >= maxHandshakesPerAddress ? 'handshake limit of an address' : 'admit'
  }

  /** A handshake begins. */
  enter(from: Address, proven: boolean): Guest {
    const tally = isLimited(from) ? this.#tallyOf(keyOf(from)) : undefined
    this.#handshakes++
    if (tally !== undefined) tally.handshakes++
    if (tally !== undefined && proven) tally.proven++
    return { begunAt: this.clock.monotonic(), proven, tally, peer: undefined }
  }

  /** The handshake is done, and `peer` has proved who it is. Why it may not stay nevertheless, if so. */
  authenticated(guest: Guest, peer: NodeId): DropCause | undefined {
    const { tally } = guest
    guest.peer = peer
    this.#handshakeOver(guest)
    if (tally === undefined) return undefined
    const ofNode = (this.#nodes.get(peer) ?? 0) + 1
    this.#nodes.set(peer, ofNode)
    tally.connections++
    // Others of its address may have become connections since it began.
    if (tally.connections > this.limits.maxConnectionsPerAddress) return 'connection limit of an address'
    return ofNode > this.limits.maxConnectionsPerNode ? 'connection limit of a node' : undefined
  }

  /** It is over, at whatever point. Called once. */
  leave(guest: Guest): void {
    const { tally, peer } = guest
    if (peer === undefined) {
      if (this.clock.monotonic() - guest.begunAt < MIN_HANDSHAKE_MS) this.#failed.push(guest)
      else this.#forget(guest)
      return
    }
    if (tally === undefined) return
    const others = (this.#nodes.get(peer) ?? 1) - 1
    if (others === 0) this.#nodes.delete(peer)
    else this.#nodes.set(peer, others)
    tally.connections--
    this.#tidy(tally)
  }

  #forgetFailed(): void {
    const due = this.clock.monotonic() - MIN_HANDSHAKE_MS
    let count = 0
    // They failed in another order than they began, so that one may stay for another's sake; for less than twice as long.
    for (; (this.#failed[count]?.begunAt ?? Infinity) <= due; count++) this.#forget(this.#failed[count] as Guest)
    if (count > 0) this.#failed.splice(0, count)
  }

  #forget(guest: Guest): void {
    this.#handshakeOver(guest)
    if (guest.tally !== undefined) this.#tidy(guest.tally)
  }

  #handshakeOver({ tally, proven }: Guest): void {
    this.#handshakes--
    if (tally === undefined) return
    tally.handshakes--
    if (proven) tally.proven--
  }

  #tallyOf(address: string): Tally {
    const known = this.#tallies.get(address)
    if (known !== undefined) return known
    const tally = { address, handshakes: 0, proven: 0, connections: 0 }
    this.#tallies.set(address, tally)
    return tally
  }

  #tidy({ address, handshakes, connections }: Tally): void {
    if (handshakes === 0 && connections === 0) this.#tallies.delete(address)
  }
}

/** Loopback is this machine's own affair. */
function isLimited(from: Address): boolean {
  return Address.scope(from) !== 'loopback'
}

/** An IPv4 address, or an IPv6 /64, which is what one customer gets at least (RFC 6177). */
function keyOf(from: Address): string {
  return Address.network(from, 4, 4)
}
