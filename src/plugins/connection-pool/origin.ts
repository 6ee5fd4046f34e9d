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
  const { host } = remote
  const words = host.includes(':') ? wordsOf(host) : undefined
  return {
    address: words === undefined ? host : words.slice(0, 4).join(':'),
    group: words === undefined ? host.split('.').slice(0, 3).join('.') : words.slice(0, 3).join(':'),
    addressLimited: scope !== 'loopback',
    // A private network is its owner's own affair, and often a /24 as a whole.
    groupLimited: scope === 'global'
  }
}

/** The eight words of an IPv6 address. */
function wordsOf(host: string): string[] {
  const [head = '', tail = ''] = host.split('::')
  const [before, after] = [head, tail].map((part) => (part === '' ? [] : part.split(':'))) as [string[], string[]]
  return [...before, ...Array<string>(Math.max(0, 8 - before.length - after.length)).fill('0'), ...after]
}
