import type { NodeId } from '../../model/index.js'
import type { Connection } from '../../kernel/index.js'

/** What decides between two connections to the same peer. */
export type Contender = Pick<Connection, 'direction' | 'openedAt'>

/**
 * An inbound connection that comes this long after we connected was not dialled at the same time as ours: a peer that
 * still had ours would not have dialled.
 */
export const SIMULTANEOUS_MS = 20_000

/**
 * Whether `newcomer` takes the place of `current`, both live and both to `peer`.
 *
 * Of two connections dialled by different sides, the one dialled by the smaller node id stays. Of two dialled by the
 * same side, the newer stays: whoever dials again has lost the first, though we may not have noticed yet. The same
 * holds for a peer that dials us long after our own dial succeeded.
 */
export function supersedes(self: NodeId, peer: NodeId, current: Contender, newcomer: Contender): boolean {
  if (current.direction === newcomer.direction) return true
  if (newcomer.direction === 'inbound' && newcomer.openedAt - current.openedAt > SIMULTANEOUS_MS) return true
  return prevails(self, peer, newcomer, current)
}

/** Whether `one` was dialled by the side whose dials prevail, and `other` by the other side. */
export function prevails(self: NodeId, peer: NodeId, one: Contender, other: Contender): boolean {
  return one.direction !== other.direction && (one.direction === 'outbound') === dialsPrevail(self, peer)
}

/** Whether, when both sides dial, the connection that we dial is the one that stays. */
export function dialsPrevail(self: NodeId, peer: NodeId): boolean {
  // Base32hex keeps the order of bytes, so both sides may compare texts.
  return self < peer
}
