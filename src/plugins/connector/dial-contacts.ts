import { connect, distinct, EMPTY, merge, mergeMap, takeWhile, type Observable } from 'rxjs'
import { Address, Contact } from '../../model/index.js'
import type { ConnectionPool, PoolDialOptions } from '../../kernel/index.js'
import type { ConnectStage, PathStep } from './stage.js'

/** Addresses that one attempt dials; further ones are ignored. */
export const MAX_ADDRESSES = 64

export interface DialContactsOptions extends Pick<PoolDialOptions, 'attempt' | 'early'> {
  /**
   * Addresses that were dialled before, as text; those dialled are added. Stages that share it try each address once.
   */
  readonly tried?: Set<string>
}

/**
 * Dials every `contact` that passes, at once and side by side with the look-up that gives more of them. The first
 * connection ends it all, the look-up included. Passes every step on and adds those of the dials.
 */
export function dialContacts(pool: ConnectionPool, options: DialContactsOptions = {}): ConnectStage {
  const { attempt, early, tried = new Set<string>() } = options
  const dial = (step: PathStep): Observable<PathStep> => {
    if (step.type !== 'contact') return EMPTY
    const untried = untriedOf(step.contact, tried)
    return untried === undefined ? EMPTY : pool.dial$(untried, { attempt, early })
  }
  return (source) =>
    source.pipe(
      // A dial that several contacts of a peer share tells its steps to each.
      connect((steps) => merge(steps, steps.pipe(mergeMap(dial), distinct()))),
      takeWhile(({ type }) => type !== 'connected', true)
    )
}

function untriedOf({ id, addresses }: Contact, tried: Set<string>): Contact | undefined {
  const untried = addresses
    .filter((address) => !tried.has(Address.format(address)))
    .slice(0, Math.max(0, MAX_ADDRESSES - tried.size))
  for (const address of untried) tried.add(Address.format(address))
  return untried.length === 0 ? undefined : Contact.of(id, untried)
}
