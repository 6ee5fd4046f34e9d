import { isIP } from 'node:net'
import { systemClock, systemRandom, type Clock, type Random } from '../../kernel/index.js'
import { Address, InvalidInputError } from '../../model/index.js'
import { MemoryHost } from './host.js'
import { makeWay, type Link, type LinkOptions, type Way } from './link.js'

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

/** The link from one host to another, each by its IP address. */
export type LinkPlan = (from: string, to: string) => Link | LinkOptions

/** What became of datagrams, in datagrams. */
export interface MemoryNetworkStats {
  readonly sent: number
  readonly delivered: number
  readonly inFlight: number
  /** Lost by a link, a host that is down or was while they were under way, or a partition. */
  readonly lost: number
  /** Dropped because the queue of a link was full. */
  readonly congested: number
  /** Further copies that a link made. */
  readonly duplicated: number
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
  /** Links set between two hosts, by direction. */
  readonly #links = new Map<string, Link | LinkOptions>()
  /** The directions in use, each with its queue. */
  readonly #ways = new Map<MemoryHost, Map<MemoryHost, Way>>()
  readonly #partitions = new Set<ReadonlySet<string>>()
  readonly #stats = {
    sent: 0,
    delivered: 0,
    inFlight: 0,
    lost: 0,
    congested: 0,
    duplicated: 0,
    unreachable: 0,
    overflowed: 0
  }
  #linkFor: LinkPlan

  /** Throws `ERR_INVALID_INPUT` on a link that makes no sense. */
  constructor({ clock, random, ...link }: MemoryNetworkOptions = {}) {
    this.#clock = clock ?? systemClock
    this.#random = random ?? systemRandom
    makeWay(link)
    this.#linkFor = () => link
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

  /** Sets how all datagrams travel that no link between two hosts is set for. Throws `ERR_INVALID_INPUT`. */
  setLink(link: Link | LinkOptions): void {
    makeWay(link)
    this.setLinks(() => link)
  }

  /**
   * Sets how datagrams travel from each host to each other one, where no link between the two is set. The plan is asked
   * when a host first sends to another one; each direction has a queue of its own.
   */
  setLinks(plan: LinkPlan): void {
    this.#linkFor = plan
    this.#ways.clear()
  }

  /**
   * Sets how datagrams travel between two hosts: the same both ways, or another `back` from b to a. `undefined` goes
   * back to the network's own link. Throws `ERR_INVALID_INPUT`.
   */
  setLinkBetween(a: string, b: string, link: Link | LinkOptions | undefined, back = link): void {
    for (const [from, to, one] of [
      [a, b, link],
      [b, a, back]
    ] as const) {
      if (one === undefined) this.#links.delete(wayOf(from, to))
      else {
        makeWay(one)
        this.#links.set(wayOf(from, to), one)
      }
      this.#ways.get(this.host(from))?.delete(this.host(to))
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

  /**
   * Takes a host off the network, as if its cable were pulled: it neither sends nor receives, what is under way to it
   * is lost, and nobody is told. The returned function puts it back.
   */
  vanish(address: string): () => void {
    const host = this.host(address)
    host.up = false
    return () => {
      host.up = true
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
    const stats = this.#stats
    stats.sent++
    const [sender, receiver] = [this.host(from.host), this.#hosts.get(Address.canonicalHost(to.host))]
    if (receiver === undefined) stats.unreachable++
    else if (!sender.up || !receiver.up || !this.#connected(sender.address, receiver.address)) stats.lost++
    else if (stats.inFlight >= MAX_IN_FLIGHT) stats.overflowed++
    else this.#carry(data, sender, from, receiver, { host: receiver.address, port: to.port })
    return true
  }

  #carry(data: Uint8Array, sender: MemoryHost, from: Address, receiver: MemoryHost, to: Address): void {
    const way = this.#way(sender, receiver)
    const fate = way.carry(from, to, data.length, this.#clock.monotonic(), this.#random)
    if (typeof fate === 'string') {
      this.#stats[fate]++
      return
    }
    this.#stats.duplicated += Math.max(0, fate.length - 1)
    const { departures } = receiver
    for (const delay of fate) {
      this.#stats.inFlight++
      this.#clock.setTimeout(() => {
        this.#stats.inFlight--
        if (!receiver.up || receiver.departures !== departures) this.#stats.lost++
        else this.#arrive(data, from, receiver, to.port)
      }, delay)
    }
  }

  #arrive(data: Uint8Array, from: Address, receiver: MemoryHost, port: number): void {
    const socket = receiver.socket(port)
    if (socket === undefined) {
      this.#stats.unreachable++
      return
    }
    this.#stats.delivered++
    // Copied only now: a sender that reuses its buffer too early is found out, and the copy is the receiver's own.
    socket.deliver(Uint8Array.from(data), from)
  }

  #way(sender: MemoryHost, receiver: MemoryHost): Way {
    let ways = this.#ways.get(sender)
    if (ways === undefined) this.#ways.set(sender, (ways = new Map<MemoryHost, Way>()))
    let way = ways.get(receiver)
    if (way === undefined) {
      const [from, to] = [sender.address, receiver.address]
      ways.set(receiver, (way = makeWay(this.#links.get(wayOf(from, to)) ?? this.#linkFor(from, to))))
    }
    return way
  }

  #connected(from: string, to: string): boolean {
    for (const island of this.#partitions) if (island.has(from) !== island.has(to)) return false
    return true
  }
}

function wayOf(from: string, to: string): string {
  return `${Address.canonicalHost(from)} ${Address.canonicalHost(to)}`
}
