import { expect } from 'chai'
import { FairQueue, QUANTUM_BYTES, TURN_BYTES, type Sender } from '#src/plugins/quic-transport/fair-queue.js'

class FakeSender implements Sender {
  sent = 0
  rooms = 0

  constructor(
    public left: number,
    private readonly log: FakeSender[],
    private readonly refill = (): void => undefined,
    public open = true
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
})
