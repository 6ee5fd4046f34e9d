import { expect } from 'chai'
import { readChunk, type Connection, type DatagramSocket } from '#src/kernel/index.js'
import { Address } from '#src/model/index.js'
import { MemoryNetwork, type LinkOptions } from '#src/plugins/memory-network/index.js'
import { TestCarrier } from '#src/testkit/conformance/test-carrier.js'
import { seededRandom, VirtualClock } from '#src/testkit/index.js'
import { startNode, type TestNode, type TestNodeOptions } from './nodes.js'

interface Pair {
  readonly clock: VirtualClock
  readonly network: MemoryNetwork
  readonly a: TestNode
  readonly b: TestNode
  readonly outbound: Connection
  readonly inbound: Connection
}

async function connectedPair(
  link: LinkOptions = { latencyMs: 20 },
  options: Partial<TestNodeOptions> = {}
): Promise<Pair> {
  const clock = new VirtualClock()
  const network = new MemoryNetwork({ clock, random: seededRandom(1), ...link })
  const [a, b] = [
    await startNode(1, { network, clock, ...options }),
    await startNode(2, { network, clock, ...options })
  ]
  const accepted = new Promise<Connection>((resolve) => (b.transport.onConnection = resolve))
  const outbound = await clock.until(a.transport.dial(b.identity.nodeId, b.address))
  const inbound = await clock.until(accepted)
  inbound.onStream = (stream) => {
    stream.onReadable = () => {
      for (let chunk = stream.read(); chunk !== undefined; chunk = stream.read()) {
        if (chunk === null) return
        stream.write(chunk)
      }
    }
    stream.onReadable()
  }
  return { clock, network, a, b, outbound, inbound }
}

/** Both ends carry a made-up way; the dialler knows that it works. */
async function withCarrier({ clock, a, b, outbound }: Pair): Promise<{ near: TestCarrier; far: TestCarrier }> {
  const { near, far } = TestCarrier.pair(clock)
  a.transport.carry(near)
  b.transport.carry(far)
  await clock.until(outbound.probe(far.local, { via: near }))
  return { near, far }
}

/** Milliseconds until a byte has come back. */
async function answerTime({ clock, outbound }: Pair): Promise<number> {
  const begun = clock.monotonic()
  const stream = await clock.until(outbound.open())
  stream.write(Uint8Array.of(1))
  await clock.until(readChunk(stream))
  stream.end()
  stream.stop(0)
  return clock.monotonic() - begun
}

const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => (error as { code: unknown }).code
  )

/** What a socket receives of one class, beside its taker. */
function overhear(socket: DatagramSocket): Uint8Array[] {
  const seen: Uint8Array[] = []
  const target = socket as unknown as { deliver: (data: Uint8Array, from: Address) => void }
  const deliver = target.deliver.bind(socket)
  target.deliver = (data, from) => {
    seen.push(Uint8Array.from(data))
    deliver(data, from)
  }
  return seen
}

describe('the paths of memory-transport', () => {
  it('are left within 0.6 s when they die', async () => {
    const pair = await connectedPair()
    const { near, far } = await withCarrier(pair)
    const { clock, outbound } = pair
    await clock.until(outbound.migrate({ local: near.local, remote: far.local }))
    expect(await answerTime(pair)).to.be.below(100)
    near.cut()
    expect(await answerTime(pair)).to.be.below(600)
    expect(outbound.path.local).to.deep.equal(pair.a.address)
  })

  it('are taken again when the peer does not follow to another one', async () => {
    const pair = await connectedPair()
    const { clock, outbound } = pair
    const { near, far } = await withCarrier(pair)
    near.cut()
    const begun = clock.monotonic()
    const moving = codeOf(outbound.migrate({ local: near.local, remote: far.local }))
    expect(await clock.until(moving)).to.equal('ERR_PATH')
    expect(clock.monotonic() - begun).to.be.below(4_500)
    expect(outbound.path.local).to.deep.equal(pair.a.address)
    await answerTime(pair)
    expect(outbound.paths).to.have.length(1)
  })

  it('are moved between one after another, however many moves are asked for at once', async () => {
    const pair = await connectedPair()
    const { clock, outbound, inbound } = pair
    const { near, far } = await withCarrier(pair)
    const [carried, direct] = [{ local: near.local, remote: far.local }, outbound.path]
    const moves = Array.from({ length: 20 }, () => [carried, direct].map((path) => codeOf(outbound.migrate(path))))
    const codes = await clock.until(Promise.all(moves.flat()))
    expect(new Set(codes)).to.deep.equal(new Set([undefined, 'ERR_LIMIT']))
    await clock.advance(1_000)
    expect([outbound.path.local, inbound.path.remote]).to.deep.equal(
      Address.equals(outbound.path.local, near.local) ? [near.local, near.local] : [direct.local, direct.local]
    )
  })

  it('are forgotten when the connection ends on the move, and leave no timer', async () => {
    const pair = await connectedPair()
    const { clock, a, b, outbound } = pair
    const { near, far } = await withCarrier(pair)
    near.cut()
    const moving = codeOf(outbound.migrate({ local: near.local, remote: far.local }))
    await clock.advance(50)
    outbound.close()
    expect(await moving).to.equal('ERR_CONNECTION_CLOSED')
    await clock.until(Promise.all([a.kernel.stop(), b.kernel.stop()]))
    await clock.advance(100)
    expect(clock.pending).to.equal(0)
  })

  it('lose no byte over a link that loses a tenth of them, while they change', async () => {
    const pair = await connectedPair({ latencyMs: [10, 40], lossRate: 0.1 })
    const { clock, a, b, outbound, inbound } = pair
    const second = await a.datagrams.open()
    a.transport.carry(second)
    const paths = [await clock.until(outbound.probe(b.address, { via: second })), outbound.path]
    const sent = seededRandom(2).bytes(300_000)
    const got: Uint8Array[] = []
    inbound.onStream = (stream) => {
      stream.onReadable = () => {
        for (let chunk = stream.read(); chunk; chunk = stream.read()) got.push(chunk)
      }
      stream.onReadable()
    }
    const stream = await clock.until(outbound.open())
    stream.end(sent)
    for (let i = 0; i < 20; i++) await clock.until(outbound.migrate(paths[i % 2]!))
    for (let i = 0; i < 100 && Buffer.concat(got).length < sent.length; i++) await clock.advance(1_000)
    expect(Buffer.concat(got).equals(sent)).to.equal(true)
  })

  it('are not changed by packets that somebody repeats from elsewhere', async () => {
    const pair = await connectedPair()
    const { clock, network, b, inbound } = pair
    const seen = overhear(b.datagrams.primary)
    await answerTime(pair)
    await clock.advance(1_000)
    const before = inbound.path
    const stranger = network.host('10.0.0.66').bind(1)
    const answers = overhear(stranger)
    for (const data of seen) stranger.send(data, b.address)
    await clock.advance(5_000)
    expect(inbound.path).to.deep.equal(before)
    expect(answers).to.deep.equal([])
    await answerTime(pair)
  })

  it('are not changed by packets that somebody sends on from elsewhere before they arrive', async () => {
    const pair = await connectedPair()
    const { network, a, b, inbound } = pair
    const before = inbound.path
    const stranger = network.host('10.0.0.66').bind(1)
    network.setLinkBetween('10.0.0.66', '10.0.0.2', { latencyMs: 1 })
    const { primary } = a.datagrams
    const send = primary.send.bind(primary)
    primary.send = (data, to) => {
      if ((data[0] ?? 0) >= 0x40) stranger.send(Uint8Array.from(data), b.address)
      send(data, to)
    }
    for (let i = 0; i < 5; i++) await answerTime(pair)
    expect(inbound.path).to.deep.equal(before)
    expect(inbound.paths).to.deep.equal([before])
  })

  it('are gone with the only carrier, until another one works', async () => {
    const { clock, a, b } = await connectedPair()
    const carry = (): TestCarrier[] & { letGo: () => void } => {
      const { near, far } = TestCarrier.pair(clock)
      b.transport.carry(far)
      return Object.assign([near, far], { letGo: a.transport.carry(near) })
    }
    const first = carry()
    const outbound = await clock.until(a.transport.dial(b.identity.nodeId, first[1]!.local, { via: first[0] }))
    first.letGo()
    await clock.advance(1_000)
    expect(outbound.path.local).to.deep.equal(first[0]!.local)
    const second = carry()
    await clock.until(outbound.probe(second[1]!.local, { via: second[0] }))
    await clock.advance(100)
    expect(outbound.path).to.deep.equal({ local: second[0]!.local, remote: second[1]!.local })
  })

  it('stay where they are without a plugin that keeps them', async () => {
    const pair = await connectedPair({}, { paths: false })
    const { clock, a, b, outbound } = pair
    expect(await codeOf(outbound.probe(b.address))).to.equal('ERR_PATH')
    expect(await codeOf(outbound.migrate(outbound.path))).to.equal('ERR_PATH')
    const second = await a.datagrams.open()
    const letGo = a.transport.carry(second)
    const over = await clock.until(a.transport.dial(b.identity.nodeId, b.address, { via: second }))
    expect(over.paths).to.deep.equal([{ local: second.local, remote: b.address }])
    letGo()
    await clock.advance(60_000)
    expect(over.closeInfo).to.have.property('by', 'timeout')
    expect(outbound.closeInfo).to.equal(undefined)
  })
})
