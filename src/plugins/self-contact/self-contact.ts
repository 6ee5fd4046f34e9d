import { BehaviorSubject, Observable } from 'rxjs'
import {
  InvalidInputError,
  PeerloomError,
  type Clock,
  type ClockTimer,
  type Datagrams,
  type DatagramSocket,
  type SelfContact
} from '../../kernel/index.js'
import { Address, Contact, MAX_CONTACT_ADDRESSES, type NodeId } from '../../model/index.js'

/** Announcements kept at once; a plugin that forgets to take its own back must not fill the memory. */
const MAX_ANNOUNCED = 64

interface Announcement {
  readonly address: Address
}

export interface SelfContactSettings {
  readonly nodeId: NodeId
  readonly datagrams: Pick<Datagrams, 'primary' | 'addresses'>
  readonly clock: Clock
  /** Configured addresses, the best first. */
  readonly announce: readonly Address[]
  /** Milliseconds between two looks at the socket's addresses while anyone watches. */
  readonly checkIntervalMs: number
}

/** This node's addresses, from what others announce and from the socket. */
export class LiveSelfContact implements SelfContact {
  readonly contact$: Observable<Contact>
  readonly #settings: SelfContactSettings
  /** The most recent first. */
  readonly #announced: Announcement[] = []
  readonly #contacts: BehaviorSubject<Contact>
  #timer: ClockTimer | undefined
  /** The socket's addresses of which the present contact was made; so that one look tells whether it still holds. */
  #seen: readonly Address[] | undefined

  /** Throws `ERR_STATE` if there is no address at all. */
  constructor(settings: SelfContactSettings) {
    this.#settings = settings
    const contact = this.#compute()
    if (contact === undefined) throw new PeerloomError('ERR_STATE', 'this node has no address: its socket is not bound')
    this.#contacts = new BehaviorSubject(contact)
    this.contact$ = new Observable((subscriber) => {
      this.#refresh()
      const subscription = this.#contacts.subscribe(subscriber)
      this.#watch()
      return subscription
    })
  }

  get contact(): Contact {
    this.#refresh()
    return this.#contacts.value
  }

  announce(address: Address): () => void {
    if (this.#announced.length >= MAX_ANNOUNCED) {
      throw new PeerloomError('ERR_LIMIT', `${MAX_ANNOUNCED} addresses are announced; take one back first`)
    }
    // An entry of its own: the same address may be announced by two, and holds until both take it back.
    const announcement = { address: announceable(address) }
    this.#announced.unshift(announcement)
    this.#renew()
    return () => {
      const at = this.#announced.indexOf(announcement)
      if (at < 0) return
      this.#announced.splice(at, 1)
      this.#renew()
    }
  }

  /** Completes `contact$`; the last contact can still be read. */
  stop(): void {
    this.#timer?.clear()
    this.#contacts.complete()
  }

  /** Cheap as long as the socket gives the same addresses: everyone who tells others about this node comes by here. */
  #refresh(): void {
    if (this.#settings.datagrams.addresses !== this.#seen) this.#renew()
  }

  #renew(): void {
    // Without any address for the moment, the last contact is still the best.
    const contact = this.#compute() ?? this.#contacts.value
    if (contact.toString() !== this.#contacts.value.toString()) this.#contacts.next(contact)
  }

  #compute(): Contact | undefined {
    const { nodeId, announce, datagrams } = this.#settings
    const announced = [...this.#announced.map(({ address }) => address), ...announce]
    this.#seen = datagrams.addresses
    const addresses = unique([...announced, ...ownAddresses(datagrams.primary, this.#seen, announced.length > 0)])
    return addresses.length === 0 ? undefined : Contact.of(nodeId, addresses.slice(0, MAX_CONTACT_ADDRESSES))
  }

  /** Interfaces come and go without a word, so they are looked at as long as anyone is subscribed. */
  #watch(): void {
    if (this.#timer !== undefined || !this.#contacts.observed) return
    const { clock, checkIntervalMs } = this.#settings
    this.#timer = clock.setTimeout(
      () => {
        this.#timer = undefined
        if (this.#contacts.observed) this.#refresh()
        this.#watch()
      },
      checkIntervalMs,
      { background: true }
    )
  }
}

/** An address that others can use, in canonical form; throws `ERR_INVALID_INPUT`. */
export function announceable({ host, port }: Address): Address {
  const address = Address.of(host, port)
  if (Address.scope(address) === 'unspecified') {
    throw new InvalidInputError(`nobody can dial ${Address.format(address)}; announce an address of this machine`)
  }
  return address
}

/** The socket's addresses. Loopback helps no other machine: it counts only if it is all there is, or was chosen. */
function ownAddresses({ local }: DatagramSocket, addresses: readonly Address[], haveBetter: boolean) {
  if (Address.scope(local) !== 'unspecified') return addresses
  const reachable = addresses.filter((address) => Address.scope(address) !== 'loopback')
  return haveBetter || reachable.length > 0 ? reachable : addresses
}

function unique(addresses: readonly Address[]): Address[] {
  return [...new Map(addresses.map((address) => [Address.format(address), address])).values()]
}
