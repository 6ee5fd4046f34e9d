import { Observable } from 'rxjs'
import {
  abortReason,
  type Clock,
  type ConnectionPool,
  type EventEmitterOf,
  type FindOptions,
  type FindResult,
  type FindStep
} from '../../kernel/index.js'
import { Contact, NodeId } from '../../model/index.js'
import { Lookup, type Query } from './lookup.js'
import { parseAnswer, type Count } from './messages.js'
import type { Protocol } from './protocol.js'
import type { RoutingTable } from './routing-table.js'
import type { Verifier } from './verifier.js'

export interface FindDependencies {
  /** The key of this node. */
  readonly self: Uint8Array
  readonly table: RoutingTable
  readonly pool: ConnectionPool
  readonly protocol: Protocol
  readonly verifier: Verifier
  readonly clock: Clock
  readonly emit: EventEmitterOf
  readonly count: Count
  /** Ends every look-up. */
  readonly signal: AbortSignal
}

/** A look-up over the network for each subscription; see `Router.find$`. */
export function find$(deps: FindDependencies, target: NodeId, options: FindOptions = {}): Observable<FindStep> {
  return new Observable<FindStep>((subscriber) => {
    const { self, table, pool, protocol, verifier, clock, emit, count } = deps
    const { attempt } = options
    const key = NodeId.toBytes(NodeId.parse(target))
    const begun = clock.monotonic()
    const known = knownContact(pool, table, target)
    const lookup = new Lookup({ self, target: key, initial: known === undefined ? table.closest(key) : [known] })

    const queries = new AbortController()
    subscriber.add(() => {
      queries.abort()
    })
    for (const signal of [deps.signal, options.signal]) {
      if (signal === undefined) continue
      const fail = (): void => {
        subscriber.error(abortReason(signal))
      }
      if (signal.aborted) fail()
      signal.addEventListener('abort', fail, { once: true })
      subscriber.add(() => {
        signal.removeEventListener('abort', fail)
      })
    }
    if (subscriber.closed) return

    const proceed = (): void => {
      for (const query of lookup.next()) {
        if (subscriber.closed) return
        void ask(query)
      }
      if (lookup.ended && !subscriber.closed) finish()
    }

    const ask = async ({ contact, hop }: Query): Promise<void> => {
      const node = contact.id
      const asked = clock.monotonic()
      emit('discovery.query', { target, node, hop }, { attempt })
      subscriber.next({ type: 'query', node, hop })
      let step: FindStep
      try {
        const { connection, answer } = await protocol.findNode(contact, target, { signal: queries.signal, attempt })
        const contacts = parseAnswer(answer, connection.remote, count)
        verifier.answered(connection, contact)
        lookup.onAnswer(node, contacts)
        step = { type: 'answer', node, hop, contacts: contacts.length, ms: clock.monotonic() - asked }
      } catch (error) {
        if (queries.signal.aborted) return
        verifier.unanswered(contact, asked)
        lookup.onFailure(node)
        emit('discovery.failed', { target, node, error }, { attempt })
        step = { type: 'failed', node, error }
      }
      subscriber.next(step)
      proceed()
    }

    const finish = (): void => {
      const { found: contact, hops, contacted, closest } = lookup
      const found = contact !== undefined
      if (found) {
        emit('discovery.contact', { target, addresses: contact.addresses }, { attempt })
        subscriber.next({ type: 'contact', contact })
      }
      const result: FindResult = { type: 'done', found, hops, contacted, closest }
      emit('discovery.done', { target, found, hops, contacted, ms: clock.monotonic() - begun }, { attempt })
      subscriber.next(result)
      subscriber.complete()
    }

    emit('discovery.started', { target }, { attempt })
    proceed()
  })
}

/** What this node knows of another without asking: where it is connected from now, then what the table has. */
function knownContact(pool: ConnectionPool, table: RoutingTable, id: NodeId): Contact | undefined {
  const contact = table.get(id)
  const connection = pool.get(id)
  if (connection === undefined) return contact
  return Contact.of(id, [connection.remote, ...(contact?.addresses ?? [])])
}
