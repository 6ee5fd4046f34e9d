import { expect } from 'chai'
import fc from 'fast-check'
import type { Path } from '#src/kernel/index.js'
import { Address } from '#src/model/index.js'
import { ANSWERS, INVITATIONS } from '#src/plugins/paths/inbox.js'
import { Seal } from '#src/plugins/paths/seal.js'
import { VirtualClock } from '#src/testkit/index.js'
import { Wires, type Side } from './wires.js'

const VICTIM: Address = { host: '192.0.2.9', port: 9 }
const KEY = new Uint8Array(32)

interface Capture {
  readonly data: Uint8Array
  readonly by: Side
}

/** Two sides, and everything that somebody on the way sees of them. */
function overheard(latencies: readonly number[] = [20, 30, 40]): {
  world: Wires
  clock: VirtualClock
  captures: Capture[]
} {
  const clock = new VirtualClock()
  const world = new Wires(clock, latencies)
  const captures: Capture[] = []
  world.onSend = (data, _, by) => captures.push({ data: Uint8Array.from(data), by })
  return { world, clock, captures }
}

/** What reaches a side from an address that is not the peer's. */
function from(side: Side, remote: Address): Path {
  return { local: side.path.local, remote }
}

/** The bytes of each datagram that a side sends to an address. */
function spyOn(world: Wires, address: Address): number[] {
  const sizes: number[] = []
  const { onSend } = world
  world.onSend = (data, path, side) => {
    onSend?.(data, path, side)
    if (Address.equals(path.remote, address)) sizes.push(data.length)
  }
  return sizes
}

describe('probes of strangers', () => {
  it('elicit nothing and change nothing if they are forged, reflected or short', async () => {
    const { world, clock, captures } = overheard()
    const { near, far } = world
    await clock.until(near.probe(1))
    await clock.advance(100)
    const sent = [near.sent, far.sent]
    const tag = new Uint8Array(8)
    const stranger = new Seal(new Uint8Array(32).fill(1), true)
    const kinds = ['probe', 'answer', 'come', 'confirmation'] as const
    for (const kind of kinds) {
      const returned = kind === 'answer' ? '00'.repeat(8) : undefined
      far.receive(stranger.write({ kind, tag, number: '11'.repeat(8), returned }, 1_350), from(far, VICTIM))
    }
    expect(far.dropped.splice(0)).to.deep.equal(kinds.map(() => 'not genuine'))
    near.dropped.length = 0
    for (const { data, by } of captures) by.receive(data, from(by, VICTIM))
    expect(new Set([...near.dropped.splice(0), ...far.dropped.splice(0)])).to.deep.equal(new Set(['not genuine']))
    far.receive(new Seal(KEY, true).write({ kind: 'probe', tag, number: '22'.repeat(8) }, 1_349), from(far, VICTIM))
    expect(far.dropped).to.deep.equal(['short'])
    expect([near.sent, far.sent]).to.deep.equal(sent)
    expect([near, far].map(({ kept }) => kept.paths.length)).to.deep.equal([2, 2])
  })

  it('are not answered a second time when somebody sends them on', async () => {
    const { world, clock, captures } = overheard()
    await clock.until(world.near.probe(1))
    await clock.advance(100)
    const toVictim = spyOn(world, VICTIM)
    for (const { data, by } of captures.splice(0)) by.far.receive(data, from(by.far, VICTIM))
    expect(toVictim).to.deep.equal([])
    expect(new Set(world.far.dropped)).to.deep.equal(new Set(['replayed', 'unasked']))
    expect(new Set(world.near.dropped)).to.deep.equal(new Set(['unasked']))
  })

  it('prove no address that only somebody quicker has sent them on from', async () => {
    const { world, clock } = overheard()
    const { near, far } = world
    const toVictim = spyOn(world, VICTIM)
    let received = 0
    const { onSend } = world
    world.onSend = (data, path, side) => {
      onSend?.(data, path, side)
      if (Address.equals(path.remote, VICTIM)) return
      received += data.length
      const copy = Uint8Array.from(data)
      clock.setTimeout(() => {
        side.far.receive(copy, from(side.far, VICTIM))
      }, 1)
    }
    // Whatever is sent comes first from the victim's address: the probe itself is then a replay.
    const outcome = await clock.until(near.probe(1).catch((error: unknown) => (error as { code: string }).code))
    expect(outcome).to.equal('ERR_PATH')
    await clock.advance(10_000)
    expect(toVictim.reduce((sum, bytes) => sum + bytes, 0)).to.be.at.most(received)
    for (const side of [near, far]) {
      expect(side.kept.paths.some(({ remote }) => Address.equals(remote, VICTIM))).to.equal(false)
    }
  })

  it('make nobody move to an address that somebody has sent a request on from', async () => {
    const { world, clock } = overheard()
    const { near, far } = world
    const toVictim = spyOn(world, VICTIM)
    let requests = 0
    const { onSend } = world
    world.onSend = (data, path, side) => {
      onSend?.(data, path, side)
      if (data[0] !== 0x22) return
      requests++
      const copy = Uint8Array.from(data)
      queueMicrotask(() => {
        near.receive(copy, from(near, VICTIM))
      })
    }
    far.migrate(1).catch(() => undefined)
    await clock.advance(10_000)
    expect(near.path.remote).to.not.deep.equal(VICTIM)
    expect(toVictim).to.have.length(requests)
    expect(requests).to.be.at.most(7)
    const tag = new Uint8Array(8)
    far.dropped.length = 0
    far.receive(new Seal(KEY, true).write({ kind: 'come', tag, number: '33'.repeat(8) }, 1_350), far.path)
    expect(far.dropped).to.deep.equal(['not for this side'])
  })

  it('are answered only so often, even if they are genuine', () => {
    const { world } = overheard()
    const { near, far } = world
    const seal = new Seal(KEY, true)
    const tag = new Uint8Array(8)
    const number = (i: number): string => i.toString(16).padStart(16, '0')
    for (let i = 0; i < 5_000; i++) {
      far.receive(
        seal.write({ kind: 'probe', tag, number: number(i) }, 2_000),
        from(far, { host: '192.0.2.1', port: i + 1 })
      )
    }
    expect(far.sent).to.equal(ANSWERS.burst)
    expect(far.sentBytes).to.equal(ANSWERS.burst * 2_000)
    expect(far.dropped).to.deep.equal(Array(5_000 - ANSWERS.burst).fill('too many'))
    expect(far.kept.paths).to.have.length(1)
    const asker = new Seal(KEY, false)
    for (let i = 0; i < 500; i++) {
      near.receive(
        asker.write({ kind: 'come', tag, number: number(i) }, 1_350),
        from(near, { host: '192.0.2.1', port: i + 1 })
      )
    }
    expect(near.sent).to.equal(INVITATIONS.burst)
    expect(near.dropped).to.have.length(500 - INVITATIONS.burst)
  })

  it('never get more than they bring, whoever sends on what, and move nothing', async () => {
    const step = fc.record({
      wait: fc.integer({ min: 0, max: 60 }),
      which: fc.nat(),
      back: fc.boolean(),
      cut: fc.option(fc.nat({ max: 1_400 })),
      port: fc.integer({ min: 1, max: 3 })
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 60 }), async (steps) => {
        const { world, clock, captures } = overheard()
        const { near, far } = world
        const received = new Map<number, number>()
        const sent = new Map<number, number>()
        const { onSend } = world
        world.onSend = (data, path, side) => {
          onSend?.(data, path, side)
          if (path.remote.host === VICTIM.host)
            sent.set(path.remote.port, (sent.get(path.remote.port) ?? 0) + data.length)
        }
        world.talk()
        const work = [near.probe(1), far.probe(2), near.migrate(1), far.migrate(2)]
        for (const promise of work) promise.catch(() => undefined)
        for (const { wait, which, back, cut, port } of steps) {
          await clock.advance(wait)
          const { data, by } = captures[which % captures.length]!
          const injected = cut === null ? data : data.subarray(0, cut)
          received.set(port, (received.get(port) ?? 0) + injected.length)
          ;(back ? by : by.far).receive(Uint8Array.from(injected), from(back ? by : by.far, { ...VICTIM, port }))
          for (const [to, bytes] of sent) expect(bytes).to.be.at.most(received.get(to) ?? 0)
        }
        // Now everything is tried that is known to either.
        for (const wire of world.wires.slice(1)) wire.isAlive = false
        await clock.advance(10_000)
        for (const [to, bytes] of sent) expect(bytes).to.be.at.most(received.get(to) ?? 0)
        for (const side of [near, far]) {
          expect(side.kept.paths.map(({ remote }) => remote.host)).to.not.include(VICTIM.host)
        }
        expect([near.wire, far.wire]).to.deep.equal([0, 0])
        world.end()
      }),
      { numRuns: 20 }
    )
  })
})
