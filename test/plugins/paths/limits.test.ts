import { expect } from 'chai'
import fc from 'fast-check'
import { Allowance } from '#src/plugins/paths/allowance.js'
import { ANSWERS, Inbox, INVITATIONS, REMEMBERED_NUMBERS } from '#src/plugins/paths/inbox.js'
import { RecentNumbers } from '#src/plugins/paths/recent.js'
import { MAX_RETURNS, Returns } from '#src/plugins/paths/returns.js'

const path = { local: { host: '10.0.0.1', port: 1 }, remote: { host: '10.0.0.2', port: 2 } }

describe('the limits on what probes bring about', () => {
  it('allow a burst, and then no more than the rate', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 500 }), (gaps) => {
        const allowance = new Allowance(10, 20)
        let [now, taken] = [5_000, 0]
        for (const gap of gaps) {
          now += gap
          if (allowance.take(now)) taken++
        }
        expect(taken).to.be.at.most(10 + ((now - 5_000) / 1_000) * 20 + 1e-6)
      })
    )
    const allowance = new Allowance(2, 10)
    expect([0, 0, 0, 99, 100, 100].map((at) => allowance.take(at))).to.deep.equal([
      true,
      true,
      false,
      false,
      true,
      false
    ])
  })

  it('let no number count twice, and forget the oldest', () => {
    const recent = new RecentNumbers(3)
    expect(['a', 'b', 'a', 'c', 'd', 'b', 'a'].map((number) => recent.add(number))).to.deep.equal([
      true,
      true,
      false,
      true,
      true,
      false,
      true
    ])
  })

  it('refuse replays and floods of either kind by name', () => {
    const inbox = new Inbox()
    expect(inbox.refuses('probe', 'first', 0)).to.equal(undefined)
    expect(inbox.refuses('come', 'first', 0)).to.equal('replayed')
    const outcomes = (kind: 'probe' | 'come', count: number): number =>
      Array.from({ length: count }, (_, i) => inbox.refuses(kind, `${kind} ${i}`, 0)).filter((one) => one === undefined)
        .length
    expect(outcomes('probe', 1_000)).to.equal(ANSWERS.burst - 1)
    expect(outcomes('come', 1_000)).to.equal(INVITATIONS.burst)
    expect(ANSWERS.burst + INVITATIONS.burst).to.be.below(REMEMBERED_NUMBERS)
  })

  it('keep few answers that wait for a confirmation, which counts once and from the right place', () => {
    const returns = new Returns()
    for (let i = 0; i <= MAX_RETURNS; i++) returns.ask(String(i), path, i)
    expect(returns.answered('0', path, 100)).to.equal(undefined)
    expect(returns.answered('1', { ...path, remote: { host: '10.0.0.3', port: 2 } }, 100)).to.equal(undefined)
    expect(returns.answered('1', path, 100)).to.deep.equal({ path, rttMs: 99 })
    expect(returns.answered('1', path, 100)).to.equal(undefined)
  })
})
