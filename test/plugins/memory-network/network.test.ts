import { expect } from 'chai'
import { createKernel, Datagrams } from '#src/kernel/index.js'
import { MAX_IN_FLIGHT } from '#src/plugins/memory-network/network.js'
import { memoryNetwork, MemoryNetwork, type MemoryNetworkOptions } from '#src/plugins/memory-network/index.js'
import { seededRandom, VirtualClock } from '#src/testkit/index.js'

const PROBE = Uint8Array.of(0x20, 1)
const [A, B, C] = ['10.0.0.1', '10.0.0.2', '10.0.0.3'] as const

function simulate(options: MemoryNetworkOptions = {}) {
  const clock = new VirtualClock()
  const network = new MemoryNetwork({ clock, random: seededRandom(1), ...options })
  const arrivals: string[] = []
  const sockets = Object.fromEntries([A, B, C].map((host) => [host, network.host(host).bind(1_000)]))
  for (const [host, socket] of Object.entries(sockets)) {
    socket.receive('probe', (_, from) => arrivals.push(`${from.host} → ${host} at ${clock.monotonic()}`))
  }
  const send = (from: string, to: string, data = PROBE): void => sockets[from]!.send(data, { host: to, port: 1_000 })
  return { clock, network, arrivals, sockets, send }
}

describe('memory-network', () => {
  it('takes the latency of the network, or of the link between two hosts', async () => {
    const { clock, network, arrivals, send } = simulate({ latencyMs: 20 })
    network.setLinkBetween(A, C, { latencyMs: 5 })
    send(A, B)
    send(A, C)
    send(C, A)
    network.setLinkBetween(A, C, undefined)
    send(A, C)
    await clock.advance(100)
    expect(arrivals).to.deep.equal([`${A} → ${C} at 5`, `${C} → ${A} at 5`, `${A} → ${B} at 20`, `${A} → ${C} at 20`])
  })

  it('loses the share of datagrams that it is told to', async () => {
    const { clock, network, arrivals, send } = simulate({ lossRate: 0.2 })
    for (let i = 0; i < 1_000; i++) send(A, B)
    await clock.advance(1)
    expect(arrivals.length).to.be.within(750, 850)
    expect(network.stats).to.include({ sent: 1_000, delivered: arrivals.length, lost: 1_000 - arrivals.length })
  })

  it('lets a function decide about each datagram', async () => {
    const { clock, network, arrivals, send } = simulate()
    network.setLink((from, to, bytes) => (to.host === B ? undefined : bytes + from.port))
    send(A, B)
    send(A, C)
    await clock.advance(2_000)
    expect(arrivals).to.deep.equal([`${A} → ${C} at 1002`])
  })

  it('neither sends nor receives at a host that is down, not even what was under way', async () => {
    const { clock, network, arrivals, send } = simulate({ latencyMs: 10 })
    send(A, B)
    network.host(B).up = false
    send(B, A)
    send(A, B)
    await clock.advance(50)
    expect(arrivals).to.deep.equal([])
    expect(network.stats.lost).to.equal(3)
    network.host(B).up = true
    send(A, B)
    await clock.advance(10)
    expect(arrivals).to.have.length(1)
  })

  it('cuts hosts off until the partition heals', async () => {
    const { clock, network, arrivals, send } = simulate()
    const heal = network.partition([A, B])
    send(A, B)
    send(A, C)
    send(C, B)
    await clock.advance(1)
    expect(arrivals).to.deep.equal([`${A} → ${B} at 0`])
    heal()
    send(C, B)
    await clock.advance(1)
    expect(arrivals).to.have.length(2)
  })

  it('shows a sender that reuses its buffer, and counts what nobody hears', async () => {
    const { clock, network, sockets, send } = simulate({ latencyMs: 1 })
    const seen: number[] = []
    sockets[B]!.receive('stun', (data) => seen.push(...data))
    const data = Uint8Array.of(1, 2)
    send(A, B, data)
    data[1] = 3
    sockets[A]!.send(PROBE, { host: '10.9.9.9', port: 1 })
    await clock.advance(1)
    expect(seen).to.deep.equal([1, 3])
    expect(network.stats.unreachable).to.equal(1)
  })

  it('bounds what is under way', async () => {
    const { clock, network, sockets } = simulate({ latencyMs: 0 })
    const silent = { host: C, port: 9 }
    for (let i = 0; i < MAX_IN_FLIGHT + 5; i++) sockets[A]!.send(PROBE, silent)
    expect(network.stats).to.include({ inFlight: MAX_IN_FLIGHT, overflowed: 5 })
    sockets[A]!.send(PROBE, silent)
    expect(network.stats.overflowed).to.equal(6)
    await Promise.resolve()
    expect(clock.pending).to.equal(MAX_IN_FLIGHT)
  })

  it('survives a taker that throws', async () => {
    const { clock, arrivals, sockets, send } = simulate()
    sockets[B]!.receive('stun', () => {
      throw new Error('thrown by a taker')
    })
    send(A, B, Uint8Array.of(0))
    send(A, B)
    await clock.advance(1)
    expect(arrivals).to.have.length(1)
  })

  it('resolves the names it was given, and refuses a port that is taken', async () => {
    const network = new MemoryNetwork()
    network.name('Seed.example', ['10.0.0.1', '10.0.0.7'])
    const plugin = memoryNetwork.with({ network, host: A, port: 4433 })
    await using kernel = createKernel({ plugins: [plugin] })
    await kernel.start()
    const datagrams = kernel.resolve(Datagrams)
    expect(await datagrams.resolve('seed.example')).to.deep.equal(['10.0.0.1', '10.0.0.7'])
    expect(datagrams.primary.local).to.deep.equal({ host: A, port: 4433 })
    const second = await createKernel({ plugins: [plugin] })
      .start()
      .catch((error: unknown) => error)
    expect(second).to.be.instanceOf(Error)
    await kernel.stop()
    await using third = createKernel({ plugins: [plugin] })
    await third.start()
  })
})
