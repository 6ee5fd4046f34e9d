import { expect } from 'chai'
import fc from 'fast-check'
import { ReceiveWindow, SendWindow, WINDOW_PACKETS, type Outgoing } from '#src/plugins/memory-transport/reliability.js'

const payload = (n: number): Uint8Array => Uint8Array.of(n & 0xff, n >> 8)

describe('the packet windows of memory-transport', () => {
  it('bring every packet once and in order over any pattern of losses', () => {
    fc.assert(
      fc.property(
        fc.array(fc.boolean(), { maxLength: 60 }),
        fc.array(fc.boolean(), { maxLength: 60 }),
        (data, acks) => {
          const [sender, receiver] = [new SendWindow(), new ReceiveWindow()]
          const received: number[] = []
          let now = 0
          let queue: Outgoing[] = Array.from({ length: 40 }, (_, i) => sender.add(payload(i), now))
          for (let steps = 0; !sender.isEmpty; steps++) {
            expect(steps).to.be.below(1_000)
            now += 10
            const again: Outgoing[] = []
            for (const { number, payload: bytes } of queue) {
              // Past the end of the pattern nothing is lost.
              if (data.pop() === true) continue
              for (const [low = 0, high = 0] of receiver.accept(number, bytes)) received.push(low + high * 256)
              if (acks.pop() === true) continue
              const lost = sender.ack(receiver.next, true, now)
              expect(lost).to.not.equal(false)
              if (lost !== undefined && lost !== false) again.push(lost)
            }
            const { deadline } = sender
            if (again.length === 0 && deadline !== undefined) {
              now = Math.max(now, deadline)
              again.push(sender.expire(now)!)
            }
            queue = again
          }
          expect(received).to.deep.equal(Array.from({ length: 40 }, (_, i) => i))
        }
      )
    )
  })

  it('hold a bounded number of packets', () => {
    const [sender, receiver] = [new SendWindow(), new ReceiveWindow()]
    for (let i = 0; i < WINDOW_PACKETS; i++) sender.add(payload(i), 0)
    expect(sender.hasRoom).to.equal(false)
    expect(receiver.accept(1 + WINDOW_PACKETS, payload(0))).to.deep.equal([])
    for (let i = WINDOW_PACKETS; i >= 2; i--) expect(receiver.accept(i, payload(i))).to.deep.equal([])
    expect(receiver.accept(1, payload(1))).to.have.length(WINDOW_PACKETS)
    expect(receiver.next).to.equal(1 + WINDOW_PACKETS)
  })

  it('measure the way there and back, not how long an ack waited for a packet that was lost', () => {
    const sender = new SendWindow()
    sender.add(payload(1), 0)
    sender.ack(2, true, 40)
    expect(sender.rttMs).to.equal(40)
    sender.add(payload(2), 100)
    sender.add(payload(3), 100)
    sender.expire(sender.deadline!)
    sender.ack(4, true, 2_000)
    expect(sender.rttMs).to.equal(40)
  })

  it('send the first packet again after three acks for it, and at its deadline, later each time', () => {
    const sender = new SendWindow()
    const first = sender.add(payload(1), 0)
    sender.add(payload(2), 0)
    expect([1, 2, 3, 4].map(() => sender.ack(1, true, 10))).to.deep.equal([undefined, undefined, first, undefined])
    const deadlines: number[] = []
    for (let i = 0; i < 5; i++) {
      const due = sender.deadline!
      expect(sender.expire(due - 1)).to.equal(undefined)
      expect(sender.expire(due)).to.equal(first)
      deadlines.push(due)
    }
    expect(deadlines).to.deep.equal([1_010, 3_010, 7_010, 12_010, 17_010])
    expect(sender.lost).to.equal(6)
  })

  it('refuse an ack for what was never sent', () => {
    const sender = new SendWindow()
    sender.add(payload(1), 0)
    expect(sender.ack(3, true, 0)).to.equal(false)
    expect(sender.ack(2, true, 40)).to.equal(undefined)
    expect(sender.rttMs).to.equal(40)
    expect(sender.ack(1, true, 50)).to.equal(undefined)
  })
})
