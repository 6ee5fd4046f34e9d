import { networkInterfaces } from 'node:os'
import type { Clock, DatagramSocket } from '../../kernel/index.js'
import { Address, type AddressScope } from '../../model/index.js'

/** The system is asked for its interfaces at most this often. */
const MAX_AGE_MS = 1_000

const LINK_LOCAL_IPV6 = /^fe[89ab]/i
const LOOPBACK = { 4: '127.0.0.1', 6: '::1' } as const
const RANK: Record<AddressScope, number> = { global: 0, name: 0, local: 1, loopback: 2, unspecified: 3 }

/** The part of `os.networkInterfaces()` that matters here. */
export type Interfaces = Readonly<Record<string, readonly { readonly address: string }[] | undefined>>

/** Addresses at which a socket listens, global ones first, loopback last. */
export function addressesOf({ local, families }: Pick<DatagramSocket, 'local' | 'families'>, interfaces: Interfaces) {
  if (Address.scope(local) !== 'unspecified') return [local]
  const hosts = new Set<string>()
  for (const { address } of Object.values(interfaces).flatMap((addresses) => addresses ?? [])) {
    // A link-local address needs a zone, which means nothing on another machine.
    if (!LINK_LOCAL_IPV6.test(address)) hosts.add(Address.canonicalHost(address.toLowerCase()))
  }
  const addresses = [...hosts]
    .map((host) => Object.freeze({ host, port: local.port }))
    .filter((address) => families.has(Address.family(address) as 4 | 6) && Address.scope(address) !== 'unspecified')
  if (addresses.length === 0) return [...families].map((family) => ({ host: LOOPBACK[family], port: local.port }))
  return addresses.sort((a, b) => RANK[Address.scope(a)] - RANK[Address.scope(b)])
}

/** The addresses of one socket, as the machine's interfaces come and go. */
export class OwnAddresses {
  #addresses: readonly Address[] = []
  #asked = -Infinity

  constructor(
    private readonly socket: Pick<DatagramSocket, 'local' | 'families'>,
    private readonly clock: Clock,
    private readonly list: () => Interfaces = networkInterfaces
  ) {}

  get(): readonly Address[] {
    const now = this.clock.monotonic()
    if (now - this.#asked >= MAX_AGE_MS) {
      this.#asked = now
      const addresses = addressesOf(this.socket, this.#interfaces())
      // The same array as long as nothing has changed, so that a reader can tell at a glance.
      if (!sameAddresses(addresses, this.#addresses)) this.#addresses = Object.freeze(addresses)
    }
    return this.#addresses
  }

  #interfaces(): Interfaces {
    try {
      return this.list()
    } catch {
      // Some sandboxes forbid it; loopback is always there.
      return {}
    }
  }
}

function sameAddresses(a: readonly Address[], b: readonly Address[]): boolean {
  return a.length === b.length && a.every((address, i) => Address.equals(address, b[i] as Address))
}
