import type { Contact, NodeId } from '../../model/index.js'
import { multiToken } from '../token.js'
import type { Connection } from './transport.js'

export interface RelayOptions {
  readonly signal?: AbortSignal | undefined
}

/**
 * Carries ciphertext between two nodes that cannot reach each other. A node may have several: relaying peers, a TURN server. No plugin fulfils
 * this contract yet.
 */
export interface Relay {
  /** Asks a public node to carry datagrams for this one. Resolves with a function that gives the reservation up. */
  reserve(relay: Contact, options?: RelayOptions): Promise<() => void>
  /** Connects to a peer through one of its relays. */
  dial(peer: NodeId, relay: Contact, options?: RelayOptions): Promise<Connection>
}

export const Relay = multiToken<Relay>('Relay')
