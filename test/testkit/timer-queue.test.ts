import { expect } from 'chai'
import fc from 'fast-check'
import { TimerQueue, type QueuedTimer } from '#src/testkit/timer-queue.js'

describe('the queue of timers', () => {
  it('gives timers by time, then by order, whichever are removed meanwhile', () => {
    const timer = fc.record({ due: fc.nat(20), background: fc.boolean(), removed: fc.boolean() })
    fc.assert(
      fc.property(fc.array(timer, { maxLength: 100 }), (timers) => {
        const queue = new TimerQueue()
        const all = timers.map(({ due, background }, order): QueuedTimer => {
          const made = { due, order, background, callback: () => undefined, at: -1 }
          queue.add(made)
          return made
        })
        const left = all.filter((made, i) => {
          if (timers[i]!.removed) queue.remove(made)
          return !timers[i]!.removed
        })
        expect(queue.size).to.equal(left.length)
        expect(queue.foreground).to.equal(left.filter(({ background }) => !background).length)
        const given: QueuedTimer[] = []
        for (let next = queue.first; next !== undefined; next = queue.first) {
          given.push(next)
          queue.remove(next)
          queue.remove(next)
        }
        expect(given).to.deep.equal(left.sort((a, b) => a.due - b.due || a.order - b.order))
        expect([queue.size, queue.foreground]).to.deep.equal([0, 0])
      })
    )
  })
})
