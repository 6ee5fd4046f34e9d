import { expect } from 'chai'
import fc from 'fast-check'
import { VirtualClock } from '#src/testkit/index.js'
import { Wires, type Side } from './wires.js'

const wiresOf = (side: Side): number[] => side.kept.paths.map(({ remote }) => remote.port - 1)
const typesOf = (side: Side): string[] => side.story.map(({ type, path }) => `${type} ${path.remote.port - 1}`)

describe('the course of a connection', () => {
  it('is known to both sides after one and a half round trips', async () => {
    const clock = new VirtualClock()
    const { near, far } = new Wires(clock, [50, 100])
    await clock.until(near.probe(1))
    expect(clock.monotonic()).to.equal(200)
    expect(wiresOf(near)).to.deep.equal([0, 1])
    expect(wiresOf(far)).to.deep.equal([0])
    expect(far.kept.hasOthers).to.equal(false)
    await clock.advance(100)
    expect(wiresOf(far)).to.deep.equal([0, 1])
    expect([near, far].map(({ sent }) => sent)).to.deep.equal([4, 3])
    expect(near.story).to.deep.equal([{ type: 'proved', path: near.kept.paths[1], rttMs: 200 }])
    expect(far.story).to.deep.equal([{ type: 'proved', path: far.kept.paths[1], rttMs: 200 }])
  })

  it('turns to a path that works when the one in use falls silent, and drops that one', async () => {
    const clock = new VirtualClock()
    const world = new Wires(clock, [20, 30])
    const { near, far } = world
    await clock.until(near.probe(1))
    world.talk()
    await clock.advance(1_000)
    world.wires[0]!.isAlive = false
    await clock.advance(600)
    expect([near.wire, far.wire]).to.deep.equal([1, 1])
    await clock.advance(5_000)
    for (const side of [near, far]) {
      expect(wiresOf(side)).to.deep.equal([1])
      expect(typesOf(side)).to.deep.equal(['proved 1', 'moved 1', 'lost 0'])
    }
    world.end()
  })

  it('stays where it is through an outage of everything, and loses no path by it', async () => {
    const clock = new VirtualClock()
    const world = new Wires(clock, [20, 30, 40])
    const { near, far } = world
    await clock.until(Promise.all([near.probe(1), near.probe(2)]))
    world.talk()
    await clock.advance(1_000)
    for (const wire of world.wires) wire.isAlive = false
    await clock.advance(10_000)
    expect([near, far].map(({ kept }) => kept.paths.length)).to.deep.equal([3, 3])
    for (const wire of world.wires) wire.isAlive = true
    await clock.advance(5_000)
    expect(near.wire).to.equal(far.wire)
    expect([near, far].map(({ kept }) => kept.paths.length)).to.deep.equal([3, 3])
    world.end()
  })

  it('is moved at the wish of the other side, which gives up in time if it cannot be', async () => {
    const clock = new VirtualClock()
    const world = new Wires(clock, [20, 30, 40])
    const { near, far } = world
    await clock.until(far.migrate(1))
    await clock.advance(30)
    expect([near.wire, far.wire]).to.deep.equal([1, 1])
    world.wires[2]!.isAlive = false
    const begun = clock.monotonic()
    const outcome = await clock.until(
      far.migrate(2).then(
        () => 'moved',
        (error: unknown) => (error as { code: string }).code
      )
    )
    expect([outcome, clock.monotonic() - begun]).to.deep.equal(['ERR_PATH', 4_000])
    expect([near.wire, far.wire]).to.deep.equal([1, 1])
  })

  it('drops a dead path that it has left at the wish of the other side', async () => {
    const clock = new VirtualClock()
    const world = new Wires(clock, [20, 30])
    const { near, far } = world
    await clock.until(near.probe(1))
    await clock.advance(100)
    world.wires[0]!.isAlive = false
    await clock.until(far.kept.migrate(far.kept.paths[1]!))
    await clock.advance(5_000)
    for (const side of [near, far]) expect(wiresOf(side)).to.deep.equal([1])
    world.end()
  })

  it('asks its other paths now and then, whichever side, and notices those that are dead', async () => {
    const clock = new VirtualClock()
    const world = new Wires(clock, [20, 30, 40])
    const { near, far } = world
    await clock.until(Promise.all([near.probe(1), far.probe(2)]))
    await clock.advance(1_000)
    const before = near.sent + far.sent
    await clock.advance(60_000)
    const perRound = (near.sent + far.sent - before) / 4
    expect(perRound, 'three datagrams a path and round').to.be.at.most(9)
    world.wires[2]!.isAlive = false
    const sent = near.sent + far.sent
    await clock.advance(25_000)
    // Two rounds of the others, and two times four questions that nothing answers.
    expect(near.sent + far.sent - sent).to.be.at.most(2 * 6 + 2 * 4)
    for (const side of [near, far]) expect(wiresOf(side)).to.have.members([0, 1])
    world.end()
    const { pending } = clock
    await clock.advance(60_000)
    expect([pending, clock.pending]).to.deep.equal([0, 0])
  })

  it('notices without a word from the transport that the path in use is dead while another one works', async () => {
    const clock = new VirtualClock()
    const world = new Wires(clock, [20, 30])
    const { near, far } = world
    await clock.until(near.probe(1))
    world.wires[0]!.isAlive = false
    await clock.advance(30_000)
    expect([near.wire, far.wire]).to.deep.equal([1, 1])
    world.end()
  })

  it('stays where it is when something is heard before another path has answered', async () => {
    const clock = new VirtualClock()
    const world = new Wires(clock, [20, 300])
    const { near, far } = world
    await clock.until(near.probe(1))
    world.talk()
    await clock.advance(2_000)
    world.wires[0]!.isAlive = false
    await clock.advance(450)
    world.wires[0]!.isAlive = true
    await clock.advance(5_000)
    expect([near, far].map(({ wire, moves }) => [wire, moves])).to.deep.equal([
      [0, 0],
      [0, 0]
    ])
    world.end()
  })

  it('is suspicious again after the path in use has answered at once', async () => {
    const clock = new VirtualClock()
    const world = new Wires(clock, [0, 0])
    const { near } = world
    await clock.until(near.probe(1))
    near.kept.suspect()
    await clock.advance(10)
    expect([near.wire, near.moves]).to.deep.equal([0, 0])
    world.wires[0]!.isAlive = false
    near.kept.suspect()
    await clock.advance(10)
    expect([near.wire, near.moves]).to.deep.equal([1, 1])
    world.end()
  })

  it('goes on to the next path when one that has answered cannot be taken', async () => {
    const clock = new VirtualClock()
    const world = new Wires(clock, [20, 30, 40])
    const { near, far } = world
    await clock.until(Promise.all([near.probe(1), near.probe(2)]))
    world.wires[1]!.isNarrow = true
    world.wires[0]!.isAlive = false
    near.kept.suspect()
    await clock.advance(4_000)
    expect([near.wire, far.wire, near.moves]).to.deep.equal([2, 2, 2])
    expect(typesOf(near)).to.include('lost 1')
    world.end()
  })

  it('does not try a path that was proved long ago and is dead now', async () => {
    const clock = new VirtualClock()
    const world = new Wires(clock, [20, 30])
    const { near } = world
    await clock.until(near.probe(1))
    world.wires[1]!.isAlive = false
    await clock.advance(3_000)
    await clock.until(near.migrate(1).catch(() => undefined))
    expect([near.wire, near.moves]).to.deep.equal([0, 0])
    world.end()
  })

  it('keeps a path whose answer one has not waited for', async () => {
    const clock = new VirtualClock()
    const world = new Wires(clock, [20, 300])
    const { near } = world
    world.talk()
    await clock.until(near.probe(1))
    await clock.until(near.probe(1, { timeoutMs: 100 }).catch(() => undefined))
    expect(wiresOf(near)).to.deep.equal([0, 1])
    world.end()
  })

  it('asks no more after a while where nothing answers', async () => {
    const clock = new VirtualClock()
    const world = new Wires(clock, [20, 30, 40])
    const { near } = world
    await clock.until(Promise.all([near.probe(1), near.probe(2)]))
    for (const wire of world.wires) wire.isAlive = false
    near.kept.suspect()
    await clock.advance(40_000)
    const before = near.sent
    await clock.advance(60_000)
    expect(near.sent - before, 'three paths, four times in each of four rounds').to.be.at.most(3 * 4 * 4)
    world.end()
  })

  it('ends on a path that works, on both sides, whatever dies and comes back', async () => {
    const change = fc.record({
      at: fc.integer({ min: 0, max: 15_000 }),
      wire: fc.nat({ max: 3 }),
      isAlive: fc.boolean()
    })
    await fc.assert(
      fc.asyncProperty(
        fc.array(change, { maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 4, maxLength: 4 }),
        fc.nat({ max: 3 }),
        async (changes, latencies, survivor) => {
          const clock = new VirtualClock()
          const world = new Wires(clock, latencies)
          const { near, far } = world
          await clock.until(Promise.all([1, 2, 3].map((wire) => near.probe(wire))))
          await clock.advance(200)
          world.talk()
          for (const { at, wire, isAlive } of changes) {
            clock.setTimeout(() => {
              if (wire !== survivor) world.wires[wire]!.isAlive = isAlive
            }, at)
          }
          await clock.advance(30_000)
          expect(near.wire).to.equal(far.wire)
          expect(world.wires[near.wire]!.isAlive).to.equal(true)
          expect(wiresOf(near)[0]).to.equal(near.wire)
          const before = near.sent + far.sent
          await clock.advance(30_000)
          expect(near.sent + far.sent - before, 'datagrams in a quiet half minute').to.be.at.most(3 * 4 * 10)
          world.end()
        }
      ),
      { numRuns: 12 }
    )
  })
})
