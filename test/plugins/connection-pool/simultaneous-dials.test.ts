import { expect } from 'chai'
import fc from 'fast-check'
import {
  ConnectionPool,
  createKernel,
  Datagrams,
  Identity,
  readChunk,
  Transport,
  type Connection,
  type Kernel
} from '#src/kernel/index.js'
import { Contact } from '#src/model/index.js'
import { connectionPool } from '#src/plugins/connection-pool/index.js'
import { identity } from '#src/plugins/identity/index.js'
import { MemoryNetwork, memoryNetwork, type LinkOptions } from '#src/plugins/memory-network/index.js'
import { memoryTransport } from '#src/plugins/memory-transport/index.js'
import { seededRandom, VirtualClock } from '#src/testkit/index.js'

interface Node {
  readonly kernel: Kernel
  readonly pool: ConnectionPool
  readonly contact: Contact
}

async function startNode(clock: VirtualClock, network: MemoryNetwork, seed: number, host: string): Promise<Node> {
  const kernel = createKernel({
    clock,
    random: seededRandom(seed),
    plugins: [
      identity.with({ seed: new Uint8Array(32).fill(seed) }),
      memoryNetwork.with({ network, host, port: 4433 }),
      memoryTransport,
      connectionPool
    ]
  })
  await clock.until(kernel.start())
  const pool = kernel.resolve(ConnectionPool)
  pool.onConnection((connection) => {
    connection.onStream = (stream) => {
      void readChunk(stream).then(
        (chunk) => {
          // The answer takes its time, so that the stream outlives the race.
          clock.setTimeout(() => {
            // Where much is lost, the connection may have been given up meanwhile.
            if (!stream.closed) stream.end(chunk ?? undefined)
          }, 400)
        },
        () => undefined
      )
    }
  })
  const contact = Contact.of(kernel.resolve(Identity).nodeId, [kernel.resolve(Datagrams).primary.local])
  return { kernel, pool, contact }
}

async function echo(connection: Connection): Promise<string> {
  const stream = await connection.open()
  stream.end(Buffer.from('hello'))
  const chunk = await readChunk(stream)
  return Buffer.from(chunk ?? []).toString()
}

interface Scenario {
  readonly seeds: readonly [number, number]
  readonly link: LinkOptions
  /** Milliseconds by which the second node dials later. */
  readonly offsetMs: number
  readonly chance: number
}

/** Two nodes dial each other; each uses what it got at once. Gives what each got back, and what is left. */
async function meet({ seeds, link, offsetMs, chance }: Scenario) {
  const clock = new VirtualClock()
  const network = new MemoryNetwork({ clock, random: seededRandom(chance), ...link })
  const a = await startNode(clock, network, seeds[0], '10.0.0.1')
  const b = await startNode(clock, network, seeds[1], '10.0.0.2')
  const dialAndAsk = (from: Node, to: Node): Promise<string> => from.pool.dial(to.contact).then(echo)
  const answers = Promise.allSettled([
    dialAndAsk(a, b),
    new Promise<void>((resolve) => clock.setTimeout(resolve, offsetMs)).then(() => dialAndAsk(b, a))
  ])
  const outcomes = await clock.until(answers)
  await clock.advance(30_000)
  const left = [a, b].map(({ pool, kernel }) => ({
    direction: [...pool.connections].map(({ direction }) => direction),
    connections: kernel.resolve(Transport).stats().connections
  }))
  const [kept] = a.pool.connections
  const later = kept === undefined ? 'nothing is left' : await clock.until(echo(kept))
  for (const { kernel } of [a, b]) await clock.until(kernel.stop())
  // What is under way in the network arrives at nobody.
  await clock.advance(1_000)
  expect(clock.pending).to.equal(0)
  return {
    answers: outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : (outcome.reason as unknown))),
    left,
    later,
    aIsSmaller: a.contact.id < b.contact.id
  }
}

describe('two nodes that dial each other', () => {
  it('at the same instant keep the connection of the smaller node id, and streams on the other one finish', async () => {
    for (const seeds of [
      [1, 2],
      [2, 1]
    ] as const) {
      const { answers, left, later, aIsSmaller } = await meet({
        seeds,
        link: { latencyMs: 20 },
        offsetMs: 0,
        chance: 1
      })
      expect(answers).to.deep.equal(['hello', 'hello'])
      const directions = aIsSmaller ? ['outbound', 'inbound'] : ['inbound', 'outbound']
      expect(left).to.deep.equal(directions.map((direction) => ({ direction: [direction], connections: 1 })))
      expect(later).to.equal('hello')
    }
  })

  const moments = [
    fc.boolean(),
    fc.integer({ min: 0, max: 120 }),
    fc.integer({ min: 0, max: 60 }),
    fc.integer({ min: 0, max: 300 }),
    fc.integer({ min: 1, max: 1_000 })
  ] as const

  it('at any two moments keep exactly one, and lose no stream', async () => {
    await fc.assert(
      fc.asyncProperty(...moments, async (swapped, latencyMs, jitterMs, offsetMs, chance) => {
        const link = { latencyMs: [latencyMs, latencyMs + jitterMs] } as const
        const { answers, left, later } = await meet({ seeds: swapped ? [2, 1] : [1, 2], link, offsetMs, chance })
        expect(answers).to.deep.equal(['hello', 'hello'])
        expect(left.map(({ connections }) => connections)).to.deep.equal([1, 1])
        expect(left.flatMap(({ direction }) => direction)).to.have.members(['inbound', 'outbound'])
        expect(later).to.equal('hello')
      }),
      { numRuns: 50 }
    )
  }).timeout(20_000)

  it('keep exactly one over a link that loses datagrams as well', async () => {
    await fc.assert(
      fc.asyncProperty(...moments, async (swapped, latencyMs, jitterMs, offsetMs, chance) => {
        const link = { latencyMs: [latencyMs, latencyMs + jitterMs], lossRate: 0.1 } as const
        const { left, later } = await meet({ seeds: swapped ? [2, 1] : [1, 2], link, offsetMs, chance })
        expect(left.map(({ connections }) => connections)).to.deep.equal([1, 1])
        expect(left.flatMap(({ direction }) => direction)).to.have.members(['inbound', 'outbound'])
        expect(later).to.equal('hello')
      }),
      { numRuns: 50 }
    )
  }).timeout(20_000)
})

describe('many nodes that all dial each other', () => {
  const NODES = 7
  const warnings: string[] = []
  const onWarning = ({ name }: Error): void => void warnings.push(name)
  before(() => process.on('warning', onWarning))
  after(() => process.off('warning', onWarning))

  /** Every node dials every other one, some more than once; each call over what it got comes back. */
  async function mingle(link: LinkOptions, offsets: readonly number[], chance: number): Promise<void> {
    const clock = new VirtualClock()
    const network = new MemoryNetwork({ clock, random: seededRandom(chance), ...link })
    const nodes: Node[] = []
    for (let n = 1; n <= NODES; n++) nodes.push(await startNode(clock, network, n, `10.0.0.${n}`))
    const pairs = nodes.flatMap((from) => nodes.filter((to) => to !== from).map((to) => [from, to] as const))
    const calls = pairs.flatMap(([from, to], i) =>
      [offsets[i % offsets.length]!, offsets[(i * 7 + 3) % offsets.length]!].map(async (ms) => {
        await new Promise<void>((resolve) => clock.setTimeout(resolve, ms))
        return echo(await from.pool.dial(to.contact))
      })
    )
    const answers = await clock.until(Promise.allSettled(calls))
    if (link.lossRate === undefined) {
      const failed = answers.filter((answer) => answer.status === 'rejected' || answer.value !== 'hello')
      expect(failed).to.deep.equal([])
    }
    await clock.advance(30_000)
    for (const { pool, kernel } of nodes) {
      expect([...pool.connections].length).to.equal(NODES - 1)
      expect(kernel.resolve(Transport).stats()).to.include({ connections: NODES - 1, handshakes: 0 })
    }
    for (const [from, to] of pairs) {
      const [there, back] = [from.pool.get(to.contact.id), to.pool.get(from.contact.id)]
      expect(new Set([there?.direction, back?.direction])).to.deep.equal(new Set(['inbound', 'outbound']))
    }
    for (const { kernel } of nodes) await clock.until(kernel.stop())
    await clock.advance(1_000)
    expect(clock.pending).to.equal(0)
  }

  const offsets = fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 84 })
  const latency = fc.tuple(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 0, max: 60 }))

  for (const lossRate of [undefined, 0.1]) {
    it(`are left with one connection a pair${lossRate === undefined ? ', and lose no stream' : ', whatever is lost'}`, async () => {
      await fc.assert(
        fc.asyncProperty(
          offsets,
          latency,
          fc.integer({ min: 1, max: 1_000 }),
          async (moments, [ms, jitterMs], chance) => {
            const latencyMs = [ms, ms + jitterMs] as const
            await mingle(lossRate === undefined ? { latencyMs } : { latencyMs, lossRate }, moments, chance)
          }
        ),
        { numRuns: 12 }
      )
      expect(warnings).to.deep.equal([])
    }).timeout(30_000)
  }
})
