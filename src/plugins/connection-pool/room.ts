import type { Origin } from './origin.js'

/** A peer that is connected, as far as it matters for who may stay. Times are by `Clock.monotonic`. */
export interface Resident {
  /** This node has dialled it, rather than that it came uninvited. */
  readonly wanted: boolean
  readonly protected: boolean
  readonly origin: Origin
  readonly openedAt: number
  readonly usedAt: number
  /** When this node used it last; −Infinity if never. */
  readonly ownUseAt: number
  /** Streams of this node's that are open. */
  readonly ownStreams: number
  /** How long some plugin wants it to stay unused; 0 if none does. */
  readonly stayMs: number
}

/** A peer that wants in. */
export type Newcomer = Pick<Resident, 'wanted' | 'protected' | 'origin'>

export interface RoomLimits {
  readonly maxConnections: number
  readonly maxPerAddress: number
  readonly maxPerGroup: number
  readonly idleMs: number
}

/** Why there is no room: `address` and `group` are the limits on where uninvited peers come from. */
export type Refusal = 'address' | 'group' | 'full'

export type Verdict<R extends Resident> =
  { readonly admitted: true; readonly evict: R | undefined } | { readonly admitted: false; readonly refusal: Refusal }

/** Shares of the uninvited that are not evicted for another one, by merits that are hard to feign all at once. */
const SPARED_BY_WISH = 1 / 8
const SPARED_BY_OWN_USE = 1 / 4
const SPARED_BY_AGE = 1 / 2
/** How much longer than the dialler the other side waits, so that one of them closes a connection that nobody uses. */
export const UNINVITED_GRACE_MS = 30_000

/**
 * Whether a newcomer gets in, and who has to go for it.
 *
 * Who comes uninvited never displaces a protected peer, one that this node has dialled, or one that it has streams to;
 * nor the part of the others that plugins want most, that this node has used last, or that have been here longest.
 * Of the rest, the youngest of the most crowded group of addresses goes, but only if the newcomer's is less crowded: to
 * fill a node's table takes addresses in many networks, and to get anybody out of it takes still more. (The idea is
 * Bitcoin Core's, src/node/eviction.cpp; see also Heilman et al., Eclipse Attacks on Bitcoin's Peer-to-Peer Network, 2015.)
 *
 * Who is wanted displaces one of those first, then whoever is next to be closed as unused.
 */
export function makeRoom<R extends Resident>(
  residents: readonly R[],
  newcomer: Newcomer,
  limits: RoomLimits
): Verdict<R> {
  const { origin } = newcomer
  const uninvited = residents.filter(({ wanted }) => !wanted)
  const demanded = newcomer.wanted || newcomer.protected
  if (!demanded) {
    const { maxPerAddress, maxPerGroup } = limits
    if (origin.addressLimited && count(uninvited, 'address', origin.address) >= maxPerAddress) return refused('address')
    if (origin.groupLimited && count(uninvited, 'group', origin.group) >= maxPerGroup) return refused('group')
  }
  if (residents.length < limits.maxConnections) return { admitted: true, evict: undefined }
  const least = leastOfCrowd(uninvited)
  if (demanded) {
    const evict = least ?? nextToClose(residents, limits)
    return evict === undefined ? refused('full') : { admitted: true, evict }
  }
  if (least === undefined) return refused('full')
  const crowd = count(uninvited, 'group', least.origin.group)
  return count(uninvited, 'group', origin.group) + 1 < crowd ? { admitted: true, evict: least } : refused('full')
}

/** When a connection that goes on being unused is to be closed. */
export function idleDue({ protected: kept, wanted, usedAt, stayMs }: Resident, { idleMs }: RoomLimits): number {
  if (kept) return Infinity
  return usedAt + Math.max(stayMs, idleMs) + (wanted ? 0 : UNINVITED_GRACE_MS)
}

function refused(refusal: Refusal): { admitted: false; refusal: Refusal } {
  return { admitted: false, refusal }
}

function count(residents: readonly Resident[], what: 'address' | 'group', value: string): number {
  return residents.reduce((sum, { origin }) => sum + (origin[what] === value ? 1 : 0), 0)
}

/** Of those who came uninvited and have no merit, the youngest of the most crowded group. */
function leastOfCrowd<R extends Resident>(uninvited: readonly R[]): R | undefined {
  let rest = uninvited.filter(isEvictable)
  const spare = (share: number, of: number, merit: (resident: R) => number): void => {
    const spared = rest
      .filter((resident) => merit(resident) > -Infinity)
      .sort((a, b) => merit(b) - merit(a))
      .slice(0, Math.ceil(share * of))
    const kept = new Set(spared)
    rest = rest.filter((resident) => !kept.has(resident))
  }
  spare(SPARED_BY_WISH, uninvited.length, ({ stayMs }) => (stayMs > 0 ? stayMs : -Infinity))
  spare(SPARED_BY_OWN_USE, uninvited.length, ({ ownUseAt }) => ownUseAt)
  spare(SPARED_BY_AGE, rest.length, ({ openedAt }) => -openedAt)
  const crowds = new Map<string, number>()
  for (const { origin } of uninvited) crowds.set(origin.group, (crowds.get(origin.group) ?? 0) + 1)
  const crowdOf = ({ origin }: R): number => crowds.get(origin.group) ?? 0
  return first(rest, (a, b) => crowdOf(b) - crowdOf(a) || b.openedAt - a.openedAt)
}

/** Who is used least: the first that would be closed for being idle. */
function nextToClose<R extends Resident>(residents: readonly R[], { idleMs }: RoomLimits): R | undefined {
  const due = ({ openedAt, ownUseAt, stayMs }: R): number => Math.max(openedAt, ownUseAt) + Math.max(stayMs, idleMs)
  return first(residents.filter(isEvictable), (a, b) => due(a) - due(b))
}

function isEvictable(resident: Resident): boolean {
  return !resident.protected && resident.ownStreams === 0
}

function first<R>(all: readonly R[], compare: (a: R, b: R) => number): R | undefined {
  return all.reduce<R | undefined>(
    (best, next) => (best === undefined || compare(next, best) < 0 ? next : best),
    undefined
  )
}
