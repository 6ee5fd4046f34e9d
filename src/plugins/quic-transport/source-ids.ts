import { cidKey, CID_BYTES } from './packet.js'
import type { NativeConnection } from './quiche.js'
import type { RandomPool } from './random-pool.js'

/**
 * Connection ids that the peer is given: one in use and a spare one, for peers that move by the rules of QUIC. It is
 * given another for each that it has used up; each costs some hundred bytes at either end.
 */
const IN_SUPPLY = 2
/** Length of a stateless reset token (RFC 9000 §10.3). */
const RESET_TOKEN_BYTES = 16

/** Leads datagrams to whoever takes them, by their destination id. */
export interface Routes<Taker> {
  route(cid: Uint8Array, taker: Taker): void
  unroute(cid: Uint8Array): void
}

/** The connection ids by which the peer reaches one connection (RFC 9000 §5.1). */
export class SourceIds<Taker> {
  readonly #cids = new Map<string, Uint8Array>()

  constructor(
    private readonly native: NativeConnection,
    private readonly routes: Routes<Taker>,
    private readonly taker: Taker,
    private readonly random: RandomPool
  ) {
    this.add(native.sourceId())
  }

  /** Leads datagrams with this destination id to the taker, until the end or until it is retired. */
  add(cid: Uint8Array): void {
    this.#cids.set(cidKey(cid), cid)
    this.routes.route(cid, this.taker)
  }

  /** Forgets the ids that the peer has retired, and gives it others in their place. */
  supply(): void {
    const { native, random } = this
    for (let retired = native.retiredScidNext(); retired !== null; retired = native.retiredScidNext()) {
      if (this.#cids.delete(cidKey(retired))) this.routes.unroute(retired)
    }
    while (native.activeSourceCids() < IN_SUPPLY && native.sourceCidsLeft() > 0) {
      const cid = random.take(CID_BYTES)
      const [low = 0n, high = 0n] = new BigUint64Array(random.take(RESET_TOKEN_BYTES).buffer)
      native.newSourceCid(cid, low | (high << 64n), false)
      this.add(cid)
    }
  }

  /** Leads nothing here any more. */
  clear(): void {
    for (const cid of this.#cids.values()) this.routes.unroute(cid)
    this.#cids.clear()
  }
}
