import { isIP, isIPv4, isIPv6 } from 'node:net'
import { InvalidInputError } from './errors.js'

/**
 * Where datagrams are sent: a host and a UDP port.
 *
 * `host` is an IP address in canonical text (RFC 5952; an IPv4-mapped IPv6 address as plain IPv4) or, in what a
 * person types, a DNS name in lower case. `port` is 1–65535; 0 only where a socket is asked to choose one.
 */
export interface Address {
  readonly host: string
  readonly port: number
}

const DNS_NAME = /^(?=.{1,253}$)(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*$/
const IPV4_MAPPED = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/

/** Canonical text of an IP address: one spelling for each address, so that addresses compare as strings. */
function canonicalHost(host: string): string {
  if (!host.includes(':')) return host
  const zoneAt = host.indexOf('%')
  const zone = zoneAt < 0 ? '' : host.slice(zoneAt)
  const address = zoneAt < 0 ? host : host.slice(0, zoneAt)
  if (!isIPv6(address)) return host
  const text = new URL(`udp://[${address}]`).hostname.slice(1, -1)
  const mapped = IPV4_MAPPED.exec(text)
  if (mapped === null) return text + zone
  const high = parseInt(mapped[1] as string, 16)
  const low = parseInt(mapped[2] as string, 16)
  return [high >> 8, high & 255, low >> 8, low & 255].join('.')
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65535
}

/** An address from a host (an IP address or a DNS name) and a port; throws `ERR_INVALID_INPUT`. */
function of(host: string, port: number): Address {
  const lower = host.toLowerCase()
  if (!isPort(port)) throw new InvalidInputError(`not a port: ${String(port)} (expected 1 to 65535)`)
  if (isIP(lower) === 0) {
    // A name that ends in a number is a mistyped IPv4 address: no top-level domain is a number.
    if (!DNS_NAME.test(lower) || /(^|\.)\d+$/.test(lower)) {
      throw new InvalidInputError(`not a host: ${JSON.stringify(host.slice(0, 60))} (expected an IP address or a name)`)
    }
    return { host: lower, port }
  }
  if (lower.includes('%')) {
    throw new InvalidInputError(`not a host: ${host} (a zone such as "%eth0" means nothing to another machine)`)
  }
  return { host: canonicalHost(lower), port }
}

/** `host:port`, with an IPv6 host in brackets; throws `ERR_INVALID_INPUT`. */
function parse(text: string): Address {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(text)
  if (match === null) {
    throw new InvalidInputError(
      `not an address: ${JSON.stringify(text.slice(0, 80))} (expected host:port, with IPv6 in brackets: [::1]:4433)`
    )
  }
  const [, bracketed, plain, port] = match
  if (bracketed !== undefined && !isIPv6(bracketed)) {
    throw new InvalidInputError(`not an IPv6 address: ${JSON.stringify(bracketed.slice(0, 60))}`)
  }
  return of(bracketed ?? plain ?? '', Number(port))
}

function format({ host, port }: Address): string {
  return /[:%]/.test(host) ? `[${host}]:${String(port)}` : `${host}:${String(port)}`
}

/** Address families, DNS names excluded. */
function family(address: Address): 4 | 6 | undefined {
  if (isIPv4(address.host)) return 4
  return address.host.includes(':') ? 6 : undefined
}

/** Who can use an address: this machine, the local network, or anyone (RFC 6890). `name` for a DNS name. */
export type AddressScope = 'loopback' | 'local' | 'global' | 'name' | 'unspecified'

function scope({ host }: Address): AddressScope {
  if (isIPv4(host)) {
    const [a = 0, b = 0] = host.split('.').map(Number)
    if (a === 127) return 'loopback'
    if (a === 0) return 'unspecified'
    if (a === 10 || (a === 172 && b >= 16 && b < 32) || (a === 192 && b === 168) || (a === 169 && b === 254))
      return 'local'
    return a === 100 && b >= 64 && b < 128 ? 'local' : 'global'
  }
  if (!host.includes(':')) return 'name'
  if (host === '::1') return 'loopback'
  if (host === '::') return 'unspecified'
  return /^f[cd]|^fe[89ab]/.test(host) ? 'local' : 'global'
}

/**
 * The first octets of an IPv4 address, or the first of the eight words of an IPv6 one: the same text for all addresses
 * of one network. `network(a, 3, 4)` is a /24 or a /64.
 */
function network({ host }: Address, octets: number, words: number): string {
  if (!host.includes(':')) return host.split('.').slice(0, octets).join('.')
  const [head = '', tail = ''] = host.split('::')
  const [before, after] = [head, tail].map((part) => (part === '' ? [] : part.split(':'))) as [string[], string[]]
  const zeros = Array<string>(Math.max(0, 8 - before.length - after.length)).fill('0')
  return [...before, ...zeros, ...after].slice(0, words).join(':')
}

/** Makes, prints and compares addresses. */
export const Address = {
  of,
  parse,
  format,
  canonicalHost,
  family,
  scope,
  network,
  equals: (a: Address, b: Address): boolean => a.port === b.port && a.host === b.host
}
