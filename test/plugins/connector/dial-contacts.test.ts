import { expect } from 'chai'
import { concat, NEVER, of, Subject } from 'rxjs'
import { PeerloomError } from '#src/model/index.js'
import type { ConnectionPool, DialStep } from '#src/kernel/index.js'
import { dialContacts, type PathStep } from '#src/plugins/connector/index.js'
import { MAX_ADDRESSES } from '#src/plugins/connector/dial-contacts.js'
import { VirtualClock } from '#src/testkit/index.js'
import { address, done, FakePool, found, peer, query, script, word } from './doubles.js'

function setting() {
  const clock = new VirtualClock()
  const pool = new FakePool(clock)
  const seen: string[] = []
  const outcome: { error?: unknown; completed: boolean } = { completed: false }
  const observer = {
    next: (step: PathStep) => seen.push(`${word(step)} @${clock.monotonic()}`),
    error: (error: unknown) => (outcome.error = error),
    complete: () => (outcome.completed = true)
  }
  return { clock, pool, seen, outcome, observer }
}

describe('dialContacts', () => {
  it('dials a contact while the look-up goes on; the first connection ends both', async () => {
    const { clock, pool, seen, outcome, observer } = setting()
    pool.plans.set('192.0.2.2', { ms: 30 })
    const steps: [number, PathStep][] = [
      [0, query],
      [10, found('192.0.2.1')],
      [20, query],
      [40, found('192.0.2.1', '192.0.2.2')],
      [90, done(true)]
    ]
    script(clock, steps).pipe(dialContacts(pool.asPool)).subscribe(observer)
    await clock.advance(1_000)
    expect(seen).to.deep.equal([
      'query @0',
      'contact 192.0.2.1 @10',
      'dialing 192.0.2.1 @10',
      'query @20',
      'contact 192.0.2.1,192.0.2.2 @40',
      'dialing 192.0.2.2 @40',
      'connected @70'
    ])
    expect(outcome.completed).to.equal(true)
    expect([pool.underWay, clock.pending]).to.deep.equal([0, 0])
  })

  it('ends without a connection only when the look-up and every dial are over', async () => {
    const { clock, pool, seen, outcome, observer } = setting()
    pool.plans.set('192.0.2.1', { ms: 500, fails: 'ERR_DIAL' })
    script<PathStep>(clock, [[0, found('192.0.2.1')], [10, done(true)], [11]])
      .pipe(dialContacts(pool.asPool))
      .subscribe(observer)
    await clock.advance(499)
    expect(outcome.completed).to.equal(false)
    await clock.advance(1)
    expect(outcome.completed).to.equal(true)
    expect(seen.at(-1)).to.equal('failed 192.0.2.1 @500')
  })

  it('tells the steps of a dial once, though each of its callers gets them', () => {
    const { seen, observer } = setting()
    const shared: DialStep[] = [{ type: 'dialing', peer, address: address('192.0.2.1') }]
    const pool = { dial$: () => concat(of(...shared), NEVER) } as unknown as ConnectionPool
    const subscription = of(found('192.0.2.1'), found('192.0.2.2')).pipe(dialContacts(pool)).subscribe(observer)
    expect(seen.filter((line) => line.startsWith('dialing'))).to.have.length(1)
    subscription.unsubscribe()
  })

  it('tries each address once in all stages that share what was tried, and a bounded number', () => {
    const { pool } = setting()
    const tried = new Set<string>()
    const contacts = Array.from({ length: 100 }, (_, i) => found(`192.0.2.${i}`, '198.51.100.1'))
    of(...contacts)
      .pipe(dialContacts(pool.asPool, { tried }))
      .subscribe()
      .unsubscribe()
    expect(pool.dialled).to.have.length(MAX_ADDRESSES)
    expect(pool.dialled.filter((line) => line.startsWith('198.51.100.1@'))).to.have.length(1)
    of(found('192.0.2.0')).pipe(dialContacts(pool.asPool, { tried })).subscribe().unsubscribe()
    expect(pool.dialled).to.have.length(MAX_ADDRESSES)
  })

  it('fails when the pool refuses, and leaves nothing when it is given up', async () => {
    const { clock, pool, outcome, observer } = setting()
    const source = new Subject<PathStep>()
    const subscription = source.pipe(dialContacts(pool.asPool)).subscribe()
    source.next(found('192.0.2.1'))
    expect(pool.underWay).to.equal(1)
    subscription.unsubscribe()
    expect([pool.underWay, source.observed]).to.deep.equal([0, false])
    pool.refuses = new PeerloomError('ERR_LIMIT', 'full')
    source.pipe(dialContacts(pool.asPool)).subscribe(observer)
    source.next(found('192.0.2.1'))
    expect(outcome.error).to.equal(pool.refuses)
    expect(source.observed).to.equal(false)
    await clock.advance(0)
    expect(clock.pending).to.equal(0)
  })
})
