import { isIP } from 'node:net'
import { systemClock, systemRandom, type Clock, type Random } from '../../kernel/index.js'
import { Address, InvalidInputError } from '../../model/index.js'
import { MemoryHost } from './host.js'
import { simpleLink, type Link, type LinkOptions } from './link.js'

/** Datagrams under way in one network; more are dropped. */
export const MAX_IN_FLIGHT = 100_000

/** The largest datagram that links carry, in bytes: what is left of an Ethernet frame on nearly every path. */
export const MEMORY_MAX_DATAGRAM_BYTES = 1_350

export interface MemoryNetworkOptions extends LinkOptions {
  /** Time by which datagrams arrive; the machine's clock unless given. */
  readonly clock?: Clock
  /** Chance by which they are lost or delayed; the machine's unless given. */
  readonly random?: Random
}

/** What became of datagrams, in datagrams. */
export interface MemoryNetworkStats {
  readonly sent: number
  readonly delivered: number
  readonly inFlight: number
  /** Lost by a link, a host that is down, or a partition. */
  readonly lost: number
  /** Arrived where nobody listens. */
  readonly unreachable: number
  /** Dropped because {@link MAX_IN_FLIGHT} were under way. */
  readonly overflowed: number
}

/**
 * A network of simulated hosts. Datagrams travel by the clock, never within the sender's call; with a virtual clock
 * and a seeded random, the same actions give the same events in the same order.
 *
 * @example
 * const network = new MemoryNetwork({ clock, latencyMs: [20, 60], lossRate: 0.01 })
 * network.name('seed.example', ['10.0.0.1'])
 * createKernel({ clock, plugins: [memoryNetwork.with({ network, host: '10.0.0.1', port: 4433 }), …] })
 */
export class MemoryNetwork {
  readonly #clock: Clock
  readonly #random: Random
  readonly #hosts = new Map<string, MemoryHost>()
  readonly #names = new Map<string, readonly string[]>()
  readonly #links = new Map<string, Link>()
  readonly #partitions = new Set<ReadonlySet<string>>()
  readonly #stats = { sent: 0, delivered: 0, inFlight: 0, lost: 0, unreachable: 0, overflowed: 0 }
  #link: Link

  constructor(options: MemoryNetworkOptions = {}) {
    this.#clock = options.clock ?? systemClock
    this.#random = options.random ?? systemRandom
    this.#link = simpleLink(options)
  }

  get stats(): MemoryNetworkStats {
    return { ...this.#stats }
  }

  /** The host at an IP address, made when first asked for. Throws `ERR_INVALID_INPUT`. */
  host(address: string): MemoryHost {
    if (isIP(address) === 0) throw new InvalidInputError(`not an IP address: ${address}`)
    const canonical = Address.canonicalHost(address)
    let host = this.#hosts.get(canonical)
    if (host === undefined) {
      host = new MemoryHost(canonical, (data, from, to) => this.#send(data, from, to))
      this.#hosts.set(canonical, host)
    }
    return host
  }

  /** Sets how all datagrams travel that no link between two hosts is set for. */
  setLink(link: Link | LinkOptions): void {
    this.#link = typeof link === 'function' ? link : simpleLink(link)
  }

  /** Sets how datagrams travel between two hosts, both ways; `undefined` goes back to the network's own link. */
  setLinkBetween(a: string, b: string, link: Link | LinkOptions | undefined): void {
    for (const way of [wayOf(a, b), wayOf(b, a)]) {
      if (link === undefined) this.#links.delete(way)
      else this.#links.set(way, typeof link === 'function' ? link : simpleLink(link))
    }
  }

  /** Cuts these hosts off from all others, until the returned function is called. */
  partition(hosts: readonly string[]): () => void {
    const island: ReadonlySet<string> = new Set(hosts.map((host) => Address.canonicalHost(host)))
    this.#partitions.add(island)
    return () => {
      this.#partitions.delete(island)
    }
  }

  /** Gives IP addresses a DNS name. */
  name(name: string, addresses: readonly string[]): void {
    this.#names.set(
      name.toLowerCase(),
      addresses.map((address) => this.host(address).address)
    )
  }

  /** The IP addresses of a name. */
  lookUp(name: string): readonly string[] | undefined {
    return this.#names.get(name.toLowerCase())
  }

  #send(data: Uint8Array, from: Address, to: Address): boolean {
    if (data.length > MEMORY_MAX_DATAGRAM_BYTES) return false
    const target: Address = { host: Address.canonicalHost(to.host), port: to.port }
    this.#stats.sent++
    if (this.#stats.inFlight >= MAX_IN_FLIGHT) {
      this.#stats.overflowed++
      return true
    }
    const link = this.#links.get(wayOf(from.host, target.host)) ?? this.#link
    const delay = link(from, target, data.length, this.#random)
    if (delay === undefined || !this.#connected(from.host, target.host)) {
      this.#stats.lost++
      return true
    }
    this.#stats.inFlight++
    this.#clock.setTimeout(() => {
      this.#stats.inFlight--
      this.#arrive(data, from, target)
    }, delay)
    return true
  }

  #arrive(data: Uint8Array, from: Address, to: Address): void {
    const host = this.#hosts.get(to.host)
    const socket = host?.socket(to.port)
    if (host?.up === false) this.#stats.lost++
    else if (socket === undefined) this.#stats.unreachable++
    else {
      this.#stats.delivered++
      // Copied only now: a sender that reuses its buffer too early is found out, and the copy is the receiver's own.
      socket.deliver(Uint8Array.from(data), from)
    }
  }

  #connected(from: string, to: string): boolean {
    if (this.#hosts.get(from)?.up === false) return false
    for (const island of this.#partitions) if (island.has(from) !== island.has(to)) return false
    return true
  }
}

function wayOf(from: string, to: string): string {
  return `${Address.canonicalHost(from)} ${Address.canonicalHost(to)}`
}
