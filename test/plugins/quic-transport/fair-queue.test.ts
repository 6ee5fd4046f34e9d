import { expect } from 'chai'
import { DEFAULT_URGENCY } from '#src/kernel/index.js'
import { FairQueue, QUANTUM_BYTES, TURN_BYTES, type Sender } from '#src/plugins/quic-transport/fair-queue.js'

class FakeSender implements Sender {
  sent = 0
  rooms = 0

  constructor(
    public left: number,
    private readonly log: FakeSender[],
    private readonly refill = (): void => undefined,
    public open = true,
    readonly urgency = DEFAULT_URGENCY
  ) {}

  send(bytes: number): number {
    if (!this.open) return 0
    const took = Math.min(bytes, this.left)
    this.left -= took
    this.sent += took
    if (took > 0) this.log.push(this)
    return took
  }

  get drained(): boolean {
    return this.left === 0
  }

  offerRoom(): void {
    this.rooms++
    this.refill()
  }
}

const A_LOT = 100 * TURN_BYTES

describe('a fair queue', () => {
  it('hands over no more than a turn’s bytes, and asks for another turn', () => {
    const queue = new FairQueue()
    const bulk = new FakeSender(A_LOT, [])
    queue.add(bulk)
    expect(queue.share()).to.equal(true)
    expect(bulk.sent).to.equal(TURN_BYTES)
  })

  it('gives all who have much the same', () => {
    const queue = new FairQueue()
    const senders = Array.from({ length: 5 }, () => new FakeSender(A_LOT, []))
    for (const sender of senders) queue.add(sender)
    for (let turn = 0; turn < 100; turn++) queue.share()
    const sent = senders.map((sender) => sender.sent)
    expect(Math.max(...sent) - Math.min(...sent)).to.be.at.most(2 * QUANTUM_BYTES)
  })

  it('lets a newcomer with little go ahead of those that have much, three turns in four at once', () => {
    const queue = new FairQueue()
    const log: FakeSender[] = []
    for (let i = 0; i < 5; i++) queue.add(new FakeSender(A_LOT, log))
    queue.share()
    let ahead = 0
    for (let turn = 0; turn < 40; turn++) {
      log.length = 0
      const small = new FakeSender(100, log)
      queue.add(small)
      queue.share()
      expect(log).to.include(small)
      if (log[0] === small) ahead++
    }
    expect(ahead).to.equal(30)
  })

  it('is not kept from those that have much by newcomers without end', () => {
    const queue = new FairQueue()
    const bulk = new FakeSender(A_LOT, [])
    queue.add(bulk)
    queue.share()
    const before = bulk.sent
    for (let turn = 0; turn < 40; turn++) {
      for (let i = 0; i < 2 * (TURN_BYTES / QUANTUM_BYTES); i++) queue.add(new FakeSender(QUANTUM_BYTES, []))
      queue.share()
    }
    expect(bulk.sent - before).to.be.at.least(10 * QUANTUM_BYTES)
  })

  it('counts one that has more after each serving as one that has much', () => {
    const queue = new FairQueue()
    const log: FakeSender[] = []
    const greedy: FakeSender = new FakeSender(100, log, () => {
      greedy.left = QUANTUM_BYTES
      queue.add(greedy)
    })
    const other = new FakeSender(A_LOT, log)
    queue.add(other)
    queue.share()
    queue.add(greedy)
    for (let turn = 0; turn < 50; turn++) queue.share()
    expect(greedy.sent).to.be.at.most(other.sent * 1.2)
  })

  it('waits for news when nobody can send, and loses nobody', () => {
    const queue = new FairQueue()
    const senders = Array.from({ length: 3 }, () => new FakeSender(10, [], undefined, false))
    for (const sender of senders) queue.add(sender)
    expect(queue.share()).to.equal(false)
    for (const sender of senders) sender.open = true
    expect(queue.share()).to.equal(false)
    expect(senders.map((sender) => sender.sent)).to.deep.equal([10, 10, 10])
    expect(senders.map((sender) => sender.rooms)).to.deep.equal([1, 1, 1])
  })

  const urgent = (urgency: number, left = A_LOT, log: FakeSender[] = []): FakeSender =>
    new FakeSender(left, log, undefined, true, urgency)

  it('serves the more urgent first', () => {
    const queue = new FairQueue()
    const log: FakeSender[] = []
    const senders = [5, 3, 7, 0, 3].map((urgency) => urgent(urgency, 10, log))
    for (const sender of senders) queue.add(sender)
    expect(queue.share()).to.equal(false)
    expect(log.map(({ urgency }) => urgency)).to.deep.equal([0, 3, 3, 5, 7])
    expect(queue.isEmpty).to.equal(true)
  })

  it('shares among those of one urgency, and leaves each other urgency a small share', () => {
    const queue = new FairQueue()
    const senders = [0, 3, 3, 7].map((urgency) => urgent(urgency))
    for (const sender of senders) queue.add(sender)
    const turns = 480
    for (let turn = 0; turn < turns; turn++) {
      queue.share()
      for (const sender of senders) sender.left = A_LOT
    }
    const [first, second, third, last] = senders.map(({ sent }) => sent / (turns * TURN_BYTES)) as [
      number,
      number,
      number,
      number
    ]
    expect(second).to.be.closeTo(third, 0.002)
    expect(first).to.be.above(0.9)
    // A quantum in a third of every eighth turn.
    for (const share of [second, last]) expect(share).to.be.closeTo(QUANTUM_BYTES / TURN_BYTES / 24, 0.002)
  })

  it('starves nobody where little is taken in a turn', () => {
    const queue = new FairQueue()
    let room = 0
    const senders = [0, 5, 7].map(
      (urgency) =>
        new (class extends FakeSender {
          override send(bytes: number): number {
            const took = super.send(Math.min(bytes, room))
            room -= took
            return took
          }
        })(A_LOT, [], undefined, true, urgency)
    )
    for (const sender of senders) queue.add(sender)
    for (let turn = 0; turn < 240; turn++) {
      room = 1_000
      queue.share()
    }
    expect(senders.map(({ sent }) => sent / 1_000)).to.deep.equal([220, 10, 10])
  })

  it('is left by whoever is taken back or cleared, of whatever urgency', () => {
    const queue = new FairQueue()
    const [one, two] = [urgent(1), urgent(6)] as const
    queue.add(one)
    queue.add(two)
    expect([queue.delete(one), queue.delete(one)]).to.deep.equal([true, false])
    queue.share()
    queue.clear()
    expect(queue.isEmpty).to.equal(true)
    const { sent } = two
    queue.share()
    expect([one.sent, two.sent]).to.deep.equal([0, sent])
  })

  it('serves nobody after a clearing in the middle of a turn', () => {
    const queue = new FairQueue()
    const clearing = new FakeSender(10, [], () => {
      queue.clear()
    })
    const others = [3, 7].map((urgency) => urgent(urgency))
    for (const sender of [clearing, ...others]) queue.add(sender)
    expect(queue.share()).to.equal(false)
    expect(others.map(({ sent }) => sent)).to.deep.equal([0, 0])
  })
})
