import type { Observable } from 'rxjs'
import type { Address, Contact } from '../../model/index.js'
import { token } from '../token.js'

/** This node's own addresses, as anyone learns them. Signing them joins this contract with the records of the DHT. */
export interface SelfContact {
  /** The present contact: announced addresses, then the socket's own, nearest scope last. */
  readonly contact: Contact
  /** The present contact at subscription, and each later one. */
  readonly contact$: Observable<Contact>
  /** Says that this node can be reached at an address (configured, mapped, observed); the function takes it back. */
  announce(address: Address): () => void
}

export const SelfContact = token<SelfContact>('SelfContact')
