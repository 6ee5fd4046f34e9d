import { PeerloomError, type Clock, type Logger } from '../../kernel/index.js'
import { Address, type NodeId } from '../../model/index.js'
import { Admission, type Guest } from './admission.js'
import type { Configs } from './configs.js'
import type { Dispatch } from './dispatch.js'
import type { Driver } from './driver.js'
import type { ConnectionHandler, Handover } from './handover.js'
import type { QuicTransportConfig } from './options.js'
import type { Outbox } from './outbox.js'
import { CID_BYTES, cidKey, initialToken, QUIC_VERSION, type DropCause, type LongHeader } from './packet.js'
import type { Quiche } from './quiche.js'
import type { RandomPool } from './random-pool.js'
import { ReplayWindow } from './replay-window.js'
import { RetryTokens } from './retry-token.js'
import type { Sessions } from './sessions.js'
import type { Way } from './way.js'

/** A Retry packet is at most this long: two connection ids, a token and a tag (RFC 9000 §17.2.5). */
const MAX_RETRY_BYTES = 128
/** Retry packets sent in one turn of the event loop: more only come at once when it has too much to do as it is. */
const RETRIES_PER_TURN = 8

export interface AcceptorParts {
  readonly quiche: Quiche
  readonly options: QuicTransportConfig
  readonly clock: Clock
  readonly log: Logger
  readonly configs: Configs
  readonly sessions: Sessions
  readonly handover: Handover
  readonly outbox: Outbox
  readonly random: RandomPool
  /** Counts what is dropped. */
  readonly routes: Pick<Dispatch<Driver>, 'drop'>
}

/** The accepting side of an endpoint: who may begin a session, and who must prove its address first. */
export class Acceptor {
  /** Takes early connections. Without it, early data waits for the handshake. */
  onEarly: ConnectionHandler | undefined
  readonly #parts: AcceptorParts
  readonly #admission: Admission
  readonly #tokens: RetryTokens
  readonly #flights: ReplayWindow
  #retriesLeft = RETRIES_PER_TURN
  readonly #allowRetries = (): void => {
    this.#retriesLeft = RETRIES_PER_TURN
  }

  constructor(parts: AcceptorParts) {
    const { options, clock } = parts
    this.#parts = parts
    this.#admission = new Admission(options, clock)
    this.#tokens = new RetryTokens(clock, options.retryTokenMs)
    this.#flights = new ReplayWindow(clock)
  }

  /** A client wants a new connection. Why it gets none, if so. */
  accept(header: LongHeader, data: Uint8Array, way: Way): DropCause | undefined {
    const from = way.remote
    const token = initialToken(data, header)
    if (token === undefined) return 'malformed'
    const odcid = token.length === 0 ? null : this.#tokens.open(token, from, header.dcid)
    if (typeof odcid === 'string') return odcid
    if (this.#parts.sessions.isFull) return 'connection limit'
    const verdict = this.#admission.judge(from, odcid !== null)
    if (verdict === 'unproven address' && this.#retriesLeft > 0) this.#retry(header, way)
    return verdict === 'admit' ? this.#begin(header, odcid, data, way) : verdict
  }

  /** @param odcid the client's first choice of an id for us if it shows a token, which proves its address */
  #begin({ dcid }: LongHeader, odcid: Uint8Array | null, data: Uint8Array, way: Way): DropCause | undefined {
    const { quiche, log, configs, sessions, handover, random } = this.#parts
    const from = way.remote
    const proven = odcid !== null
    // Until the client has our answer it uses the id that it chose for us; a copy that comes late is no new client.
    // One that shows a token uses the id that we gave it with that, which stays ours.
    const cid = dcid.slice()
    const { driver } = sessions.begin({
      way,
      expected: undefined,
      connect: (local, datagramBytes) => {
        const scid = proven ? cid : random.take(CID_BYTES)
        return quiche.Connection.accept(scid, odcid, local, from, configs.get(datagramBytes, true))
      },
      claimsEarly: () => this.#claimsEarly(cid),
      early: (connection) => {
        if (this.onEarly !== undefined) handover.give(connection, this.onEarly)
      },
      authenticated: (peer) => {
        this.#judgePeer(guest, peer)
      },
      succeeded: (connection) => {
        handover.offer(connection)
      },
      failed: (error) => {
        log.debug(`a handshake from ${Address.format(from)} failed`, error)
      },
      over: () => {
        this.#admission.leave(guest)
      }
    })
    const guest = this.#admission.enter(from, proven)
    driver.cids.add(cid)
    if (driver.receive(data, from, way.socket)) return undefined
    // Not even the first packet was good: nothing is kept.
    driver.dismiss()
    return 'refused'
  }

  /** Whether the early data of a flight is taken, by the id that its client has made up for us. */
  #claimsEarly(cid: Uint8Array): boolean {
    if (this.onEarly === undefined) return false
    if (this.#flights.claim(cidKey(cid))) return true
    this.#parts.routes.drop('replay')
    return false
  }

  /** Throws `ERR_LIMIT` if there are enough connections like this one. */
  #judgePeer(guest: Guest, peer: NodeId): void {
    const cause = this.#admission.authenticated(guest, peer)
    if (cause === undefined) return
    this.#parts.routes.drop(cause)
    throw new PeerloomError('ERR_LIMIT', `${peer} was turned away: ${cause}`)
  }

  /** Asks a client to prove its address, and keeps nothing. */
  #retry({ dcid, scid }: LongHeader, { socket, remote: from }: Way): void {
    if (this.#retriesLeft-- === RETRIES_PER_TURN) setImmediate(this.#allowRetries)
    const { quiche, outbox, random } = this.#parts
    const ours = random.take(CID_BYTES)
    const token = this.#tokens.make(from, dcid, ours)
    outbox.begin()
    const bytes = quiche.retry(scid, dcid, ours, token, QUIC_VERSION, outbox.room(MAX_RETRY_BYTES))
    outbox.sendRoom(bytes, from, socket)
  }
}
