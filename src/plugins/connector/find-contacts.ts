import { connect, last, map, merge, NEVER, takeUntil, type Observable } from 'rxjs'
import type { FindOptions, FindStep, Router } from '../../kernel/index.js'
import type { Contact, NodeId } from '../../model/index.js'

export interface FindContactsOptions extends FindOptions {
  /** Contacts of the target that become known by other ways while the look-up runs. */
  readonly hints?: Observable<Contact>
}

/** Looks a node up: every step of the look-up, with a `contact` step as soon as addresses of the node are known. */
export function findContacts(
  router: Router,
  target: NodeId,
  { hints = NEVER, ...options }: FindContactsOptions = {}
): Observable<FindStep> {
  const hinted = hints.pipe(map((contact): FindStep => ({ type: 'contact', contact })))
  return router
    .find$(target, options)
    .pipe(connect((found) => merge(found, hinted.pipe(takeUntil(found.pipe(last(null, null)))))))
}
