import { isIP } from 'node:net'
import { Address } from '../../model/index.js'

/** Sources and destinations that are remembered; when more turn up, all are forgotten and learned again. */
const MAX_REMEMBERED = 4096

/**
 * The source of each datagram as a canonical address. Known sources cost two look-ups and no allocation; the addresses
 * are frozen, since all datagrams of one source share theirs.
 */
export class SourceAddresses {
  readonly #byHost = new Map<string, Map<number, Address>>()
  #size = 0

  /** @param host as the system gives it: perhaps IPv4-mapped, perhaps with a zone */
  of(host: string, port: number): Address {
    return this.#byHost.get(host)?.get(port) ?? this.#add(host, port)
  }

  #add(host: string, port: number): Address {
    if (this.#size >= MAX_REMEMBERED) {
      this.#byHost.clear()
      this.#size = 0
    }
    const address = Object.freeze({ host: Address.canonicalHost(host), port })
    const ports = this.#byHost.get(host) ?? new Map<number, Address>()
    this.#byHost.set(host, ports.set(port, address))
    this.#size++
    return address
  }
}

/** Hosts as a socket of certain families must be given them. */
export class DestinationHosts {
  readonly #known = new Map<string, string | undefined>()

  constructor(private readonly families: ReadonlySet<4 | 6>) {}

  /** The host as the system wants it, or `undefined` if it is no IP address or of a family that the socket lacks. */
  of(host: string): string | undefined {
    const known = this.#known.get(host)
    if (known !== undefined || this.#known.has(host)) return known
    if (this.#known.size >= MAX_REMEMBERED) this.#known.clear()
    const wanted = this.#translate(host)
    this.#known.set(host, wanted)
    return wanted
  }

  #translate(host: string): string | undefined {
    const family = isIP(host)
    if (family === 0 || !this.families.has(family as 4 | 6)) return undefined
    // A dual-stack socket is an IPv6 socket, to which IPv4 is a range of IPv6 (RFC 4291 §2.5.5.2).
    return family === 4 && this.families.has(6) ? `::ffff:${host}` : host
  }
}
