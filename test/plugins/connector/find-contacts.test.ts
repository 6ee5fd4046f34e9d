import { expect } from 'chai'
import { of, ReplaySubject } from 'rxjs'
import type { Contact } from '#src/model/index.js'
import type { FindStep, Router } from '#src/kernel/index.js'
import { findContacts } from '#src/plugins/connector/index.js'
import { VirtualClock } from '#src/testkit/index.js'
import { contact, done, FakeRouter, found, peer, query, word } from './doubles.js'

describe('findContacts', () => {
  it('gives the steps of one look-up, and contacts that become known otherwise until it ends', async () => {
    const clock = new VirtualClock()
    const router = new FakeRouter(clock)
    router.steps = [[0, query], [50, found('192.0.2.1')], [60, done(true)], [60]]
    const hints = new ReplaySubject<Contact>(2)
    hints.next(contact('192.0.2.8'))
    const seen: string[] = []
    let completed = false
    findContacts(router as unknown as Router, peer, { hints, attempt: 'a1' }).subscribe({
      next: (step) => seen.push(word(step)),
      complete: () => (completed = true)
    })
    await clock.advance(55)
    hints.next(contact('192.0.2.9'))
    await clock.advance(100)
    expect(seen).to.have.members(['contact 192.0.2.8', 'query', 'contact 192.0.2.1', 'contact 192.0.2.9', 'done'])
    expect([completed, hints.observed, router.lookUps, router.attempts]).to.deep.equal([true, false, 1, ['a1']])
  })

  it('looks up once, even if all steps come at once', () => {
    let lookUps = 0
    const router = {
      find$: () => {
        lookUps++
        return of<FindStep[]>(query, done(false))
      }
    } as unknown as Router
    const seen: string[] = []
    findContacts(router, peer).subscribe((step) => seen.push(word(step)))
    expect([lookUps, seen]).to.deep.equal([1, ['query', 'done']])
  })

  it('ends the look-up when it is unsubscribed from', async () => {
    const clock = new VirtualClock()
    const router = new FakeRouter(clock)
    router.steps = [[100, query]]
    const subscription = findContacts(router as unknown as Router, peer).subscribe()
    expect(router.underWay).to.equal(1)
    subscription.unsubscribe()
    await clock.advance(0)
    expect([router.underWay, clock.pending]).to.deep.equal([0, 0])
  })
})
