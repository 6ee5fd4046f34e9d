import { Address, type AddressScope } from '../../model/index.js'

export interface RaceOrderOptions {
  /** This node listens on loopback alone, so loopback addresses are its likeliest; otherwise they come last. */
  readonly loopbackFirst?: boolean
  /** The family that was dialled last; the other one is next. IPv6 begins. */
  readonly lastFamily?: 4 | 6 | undefined
}

/**
 * The order in which IP addresses are raced: the local network before the world, and in each of them IPv6 and IPv4 by
 * turns, so that one broken family delays the other by one step only (RFC 8305 §4). What the contact lists first
 * stays first within its family.
 */
export function raceOrder(addresses: readonly Address[], options: RaceOrderOptions = {}): Address[] {
  const { loopbackFirst = false } = options
  const scopes: readonly AddressScope[] = loopbackFirst
    ? ['loopback', 'local', 'global']
    : ['local', 'global', 'loopback']
  let { lastFamily } = options
  return scopes.flatMap((scope) => {
    const inScope = addresses.filter((address) => Address.scope(address) === scope)
    const ordered = interleave(inScope, lastFamily === 6 ? 4 : 6)
    const last = ordered.at(-1)
    if (last !== undefined) lastFamily = Address.family(last)
    return ordered
  })
}

/** Whether an address can be dialled at all, or resolved to one that can. */
export function isDialable(address: Address): boolean {
  return address.port >= 1 && address.port <= 65535 && Address.scope(address) !== 'unspecified'
}

function interleave(addresses: readonly Address[], firstFamily: 4 | 6): Address[] {
  const first = addresses.filter((address) => Address.family(address) === firstFamily)
  const second = addresses.filter((address) => Address.family(address) !== firstFamily)
  const turns = Array.from({ length: Math.max(first.length, second.length) }, (_, i) => [first[i], second[i]])
  return turns.flat().filter((address) => address !== undefined)
}
