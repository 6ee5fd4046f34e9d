import { Address } from '../../model/index.js'

/** Where a peer comes from, as far as limits are concerned. */
export interface Origin {
  /** An IPv4 address, or an IPv6 /64, which is what one customer gets at least (RFC 6177). */
  readonly address: string
  /** An IPv4 /24 or an IPv6 /48: addresses that are likely in one hand. */
  readonly group: string
  readonly addressLimited: boolean
  readonly groupLimited: boolean
}

/** The origin of an IP address in canonical text. */
export function originOf(remote: Address): Origin {
  const scope = Address.scope(remote)
  return {
    address: Address.network(remote, 4, 4),
    group: Address.network(remote, 3, 3),
    addressLimited: scope !== 'loopback',
    // A private network is its owner's own affair, and often a /24 as a whole.
    groupLimited: scope === 'global'
  }
}
