import { Address, Contact, InvalidInputError, NodeId } from '../../model/index.js'
import { K, MAX_ADDRESSES } from './routing-table.js'

/** What `kad.findNode` is asked: the contacts nearest to which node? */
export interface FindNodeRequest {
  readonly target: string
}

/** What it answers: at most k contacts as texts, nearest first. */
export interface FindNodeAnswer {
  readonly contacts: readonly string[]
}

/** Why something received was not taken. */
export type DropCause =
  /** An answer that is none. */
  | 'malformed-answer'
  /** A contact that is none. */
  | 'malformed-contact'
  /** A contact with no address that this node could use. */
  | 'unusable-contact'
  /** A contact beyond the k that an answer may have. */
  | 'excess-contact'
  /** A candidate for the routing table, while too many were being verified. */
  | 'unverified-candidate'

export type Count = (cause: DropCause, times?: number) => void

/** The target of a request; throws `ERR_INVALID_INPUT`. */
export function parseTarget(request: unknown): NodeId {
  const target = (request as Partial<FindNodeRequest> | null | undefined)?.target
  if (typeof target !== 'string') throw new InvalidInputError('kad.findNode needs a target: the text of a node id')
  return NodeId.parse(target)
}

/** The contacts of an answer from a node at `from`; throws `ERR_INVALID_INPUT` on anything but an answer. */
export function parseAnswer(answer: unknown, from: Address, count: Count): Contact[] {
  const texts = (answer as { contacts?: unknown } | null | undefined)?.contacts
  if (!Array.isArray(texts)) {
    count('malformed-answer')
    throw new InvalidInputError('the answer to kad.findNode has no list of contacts')
  }
  if (texts.length > K) count('excess-contact', texts.length - K)
  return texts.slice(0, K).flatMap((text: unknown) => {
    const contact = parseContact(text)
    if (contact === undefined) count('malformed-contact')
    const usable = contact && share(contact, from)
    if (contact !== undefined && usable === undefined) count('unusable-contact')
    return usable ?? []
  })
}

/** The part of a contact that nodes at `other` and here can both use, if there is one. */
export function share(contact: Contact, other: Address): Contact | undefined {
  const addresses = contact.addresses.filter((address) => shareable(address, other))
  if (addresses.length === contact.addresses.length && addresses.length <= MAX_ADDRESSES) return contact
  return addresses.length === 0 ? undefined : Contact.of(contact.id, addresses.slice(0, MAX_ADDRESSES))
}

/**
 * Names are not passed on, lest strangers choose what this node resolves; nor what means something else on another
 * machine: loopback addresses, and zones such as `%eth0`.
 */
function shareable(address: Address, other: Address): boolean {
  const scope = Address.scope(address)
  if (scope === 'loopback') return Address.scope(other) === 'loopback'
  return (scope === 'global' || scope === 'local') && !address.host.includes('%')
}

function parseContact(text: unknown): Contact | undefined {
  try {
    return typeof text === 'string' ? Contact.parse(text) : undefined
  } catch {
    return undefined
  }
}
