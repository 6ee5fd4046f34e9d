import { randomBytes } from 'node:crypto'
import type { Certificate, Clock } from '../../kernel/index.js'
import type { QuicTransportConfig } from './options.js'
import type { NativeConfig, Quiche } from './quiche.js'
import { makeConfig, TICKET_KEY_BYTES } from './tls.js'

/** Native configurations kept, two for each size of datagram: with early data and without. */
const MAX_CONFIGS = 16

/** The native configurations of an endpoint, each made when it is first needed. */
export class Configs {
  readonly #known = new Map<string, NativeConfig>()
  #certificate: Certificate
  #ticketKey = randomBytes(TICKET_KEY_BYTES)
  #ticketKeyDue: number

  constructor(
    private readonly quiche: Quiche,
    certificate: Certificate,
    private readonly options: QuicTransportConfig,
    private readonly clock: Clock
  ) {
    this.#certificate = certificate
    this.#ticketKeyDue = clock.monotonic() + options.ticketKeyMs
  }

  /** What was made before stays as it is for the connections that have it. */
  useCertificate(certificate: Certificate): void {
    this.#certificate = certificate
    this.#known.clear()
  }

  /** The one for datagrams of at most that size; early data is allowed only if it is an option as well. */
  get(datagramBytes: number, maybeEarly: boolean): NativeConfig {
    this.#renewTicketKey()
    const early = maybeEarly && this.options.earlyData
    const key = `${String(datagramBytes)} ${String(early)}`
    const known = this.#known.get(key)
    if (known !== undefined) return known
    if (this.#known.size >= MAX_CONFIGS) this.#known.clear()
    const variant = { datagramBytes, early, ticketKey: this.#ticketKey }
    const config = makeConfig(this.quiche, this.#certificate, this.options, variant)
    this.#known.set(key, config)
    return config
  }

  /** A key that is gone opens no tickets, nor what was sent by them before a handshake was done. */
  #renewTicketKey(): void {
    const now = this.clock.monotonic()
    if (now < this.#ticketKeyDue) return
    this.#ticketKey = randomBytes(TICKET_KEY_BYTES)
    this.#ticketKeyDue = now + this.options.ticketKeyMs
    this.#known.clear()
  }
}
