import { expect } from 'chai'
import fc from 'fast-check'
import { Deadlines, type Expiring } from '#src/plugins/rpc/deadlines.js'
import { VirtualClock } from '#src/testkit/index.js'

interface Item extends Expiring {
  expiredAt: number | undefined
}

function itemDue(clock: VirtualClock, due: number): Item {
  const item: Item = {
    due,
    place: -1,
    expiredAt: undefined,
    expire() {
      item.expiredAt = clock.monotonic()
    }
  }
  return item
}

describe('rpc: the queue of deadlines', () => {
  it('tells each at its time, but for those that were taken out, and keeps no timer then', async () => {
    const steps = fc.array(
      fc.record({ dueIn: fc.integer({ min: 0, max: 100 }), wait: fc.integer({ min: 0, max: 20 }), taken: fc.nat(30) })
    )
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const clock = new VirtualClock()
        const deadlines = new Deadlines(clock)
        const items: Item[] = []
        const removed = new Set<Item>()
        for (const { dueIn, wait, taken } of all) {
          const item = itemDue(clock, clock.monotonic() + dueIn)
          items.push(item)
          deadlines.add(item)
          await clock.advance(wait)
          const other = items[taken]
          if (other?.expiredAt !== undefined || other === undefined) continue
          deadlines.remove(other)
          deadlines.remove(other)
          removed.add(other)
        }
        await clock.advance(100)
        for (const item of items) expect(item.expiredAt).to.equal(removed.has(item) ? undefined : item.due)
        expect(clock.pending).to.equal(0)
      })
    )
  })

  it('lets one that expires add and take out others', async () => {
    const clock = new VirtualClock()
    const deadlines = new Deadlines(clock)
    const [first, second, third] = [itemDue(clock, 10), itemDue(clock, 10), itemDue(clock, 15)]
    first.expire = () => {
      deadlines.remove(second)
      deadlines.add(third)
    }
    deadlines.add(first)
    deadlines.add(second)
    await clock.advance(20)
    expect([second.expiredAt, third.expiredAt]).to.deep.equal([undefined, 15])
    expect(clock.pending).to.equal(0)
  })

  it('keeps its timer between calls while it is told to', async () => {
    const clock = new VirtualClock()
    const deadlines = new Deadlines(clock)
    deadlines.lasting = true
    for (let i = 0; i < 3; i++) {
      const item = itemDue(clock, 1_000 + i)
      deadlines.add(item)
      deadlines.remove(item)
      expect(clock.pending).to.equal(1)
    }
    deadlines.lasting = false
    expect(clock.pending).to.equal(0)
    const item = itemDue(clock, 2_000)
    deadlines.add(item)
    await clock.advance(2_000)
    expect(item.expiredAt).to.equal(2_000)
  })
})
