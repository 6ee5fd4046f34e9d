import { Address } from './address.js'
import { InvalidInputError } from './errors.js'
import { NodeId } from './node-id.js'

/** At most this many addresses are kept in one contact; a longer list is refused. */
export const MAX_CONTACT_ADDRESSES = 16

/**
 * A node and where it may be reached: `<nodeId>@host:port`, further addresses after commas, IPv6 in brackets.
 *
 * Immutable; prints and serialises as its text, so a contact can be pasted from a log into `--seed`.
 */
export class Contact {
  private constructor(
    readonly id: NodeId,
    readonly addresses: readonly Address[]
  ) {}

  /** A contact from its parts. Repeated addresses are dropped; throws `ERR_INVALID_INPUT` on none or too many. */
  static of(id: NodeId, addresses: readonly Address[]): Contact {
    const unique = addresses.filter(
      (address, i) => addresses.findIndex((other) => Address.equals(other, address)) === i
    )
    if (unique.length === 0) throw new InvalidInputError('a contact needs an address')
    if (unique.length > MAX_CONTACT_ADDRESSES) {
      throw new InvalidInputError(`a contact has at most ${String(MAX_CONTACT_ADDRESSES)} addresses`)
    }
    return new Contact(id, Object.freeze(unique.map(({ host, port }) => Object.freeze({ host, port }))))
  }

  /** A contact from its text; throws `ERR_INVALID_INPUT` with the part that is wrong. */
  static parse(text: string): Contact {
    const at = text.indexOf('@')
    if (at < 0 || text.length > 4096) {
      throw new InvalidInputError(
        `not a contact: ${JSON.stringify(text.slice(0, 80))} (expected <node id>@host:port, as a node prints at its start)`
      )
    }
    return Contact.of(
      NodeId.parse(text.slice(0, at)),
      text
        .slice(at + 1)
        .split(',')
        .map(Address.parse)
    )
  }

  toString(): string {
    return `${this.id}@${this.addresses.map(Address.format).join(',')}`
  }

  toJSON(): string {
    return this.toString()
  }
}
