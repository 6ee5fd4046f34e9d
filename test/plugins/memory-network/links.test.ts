import { expect } from 'chai'
import { silentLogger } from '#src/kernel/index.js'
import { Address } from '#src/model/index.js'
import { MemoryNetwork, type LinkOptions } from '#src/plugins/memory-network/index.js'
import { seededRandom, VirtualClock } from '#src/testkit/index.js'

const [A, B] = ['10.0.0.1', '10.0.0.2'] as const
const PORT = 1_000

/** Two hosts; what B receives is noted as `number@time`. */
function twoHosts(link: LinkOptions = {}, seed = 1) {
  const clock = new VirtualClock()
  const network = new MemoryNetwork({ clock, random: seededRandom(seed), ...link })
  const arrivals: { number: number; at: number }[] = []
  const [a, b] = [A, B].map((host) => network.host(host).bind(PORT))
  b!.receive('probe', ([, number]) => arrivals.push({ number: number!, at: clock.monotonic() }))
  const send = (number: number, bytes = 2): void => {
    const data = new Uint8Array(bytes).fill(0x20)
    data[1] = number
    a!.send(data, { host: B, port: PORT })
  }
  return { clock, network, arrivals, send, a: a!, b: b! }
}

const numbers = (arrivals: readonly { number: number }[]): number[] => arrivals.map(({ number }) => number)

describe('links of memory-network', () => {
  it('draw each delay from a range, so that datagrams overtake each other, unless they may not', async () => {
    const inOrder = Array.from({ length: 50 }, (_, i) => i)
    for (const keep of [false, true]) {
      const { clock, arrivals, send } = twoHosts({ latencyMs: [10, 60], inOrder: keep })
      for (const i of inOrder) {
        send(i)
        await clock.advance(1)
      }
      await clock.advance(100)
      expect(numbers(arrivals).sort((a, b) => a - b)).to.deep.equal(inOrder)
      expect(keep).to.equal(numbers(arrivals).every((number, i) => number === i || arrivals[i - 1]?.number === number))
      for (const { number, at } of arrivals) expect(at - number).to.be.within(10, 61)
    }
  })

  it('bring the share of datagrams twice that they are told to', async () => {
    const { clock, network, arrivals, send } = twoHosts({ latencyMs: 5, duplicateRate: 0.3 })
    for (let i = 0; i < 1_000; i++) send(0)
    await clock.advance(10)
    expect(arrivals.length).to.be.within(1_250, 1_350)
    expect(network.stats.duplicated).to.equal(arrivals.length - 1_000)
  })

  it('carry so many bytes a second, and drop what finds their queue full', async () => {
    // 100 bytes take 1 ms; the one that is being sent counts as waiting.
    const { clock, network, arrivals, send } = twoHosts({ latencyMs: 20, bytesPerSecond: 100_000, queueBytes: 1_000 })
    for (let i = 0; i < 20; i++) send(i, 100)
    await clock.advance(100)
    expect(arrivals).to.deep.equal(Array.from({ length: 10 }, (_, i) => ({ number: i, at: 21 + i })))
    expect(network.stats).to.include({ congested: 10, delivered: 10, lost: 0 })
    send(99, 100)
    await clock.advance(100)
    expect(arrivals.at(-1)).to.deep.equal({ number: 99, at: 121 })
  })

  it('take a datagram that is larger than their queue when the line is idle', async () => {
    const { clock, arrivals, send } = twoHosts({ bytesPerSecond: 100_000, queueBytes: 0 })
    send(1, 1_000)
    send(2, 1_000)
    await clock.advance(20)
    expect(arrivals).to.deep.equal([{ number: 1, at: 10 }])
  })

  it('differ by direction, each with a queue of its own', async () => {
    const { clock, network, arrivals, send, a, b } = twoHosts()
    const back: number[] = []
    a.receive('probe', () => back.push(clock.monotonic()))
    network.setLinkBetween(A, B, { latencyMs: 5 }, { latencyMs: 50, bytesPerSecond: 1_000 })
    send(1)
    b.send(Uint8Array.of(0x20, 1), { host: A, port: PORT })
    b.send(Uint8Array.of(0x20, 1), { host: A, port: PORT })
    await clock.advance(100)
    expect(arrivals).to.deep.equal([{ number: 1, at: 5 }])
    expect(back).to.deep.equal([52, 54])
  })

  it('are laid by a plan for all hosts', async () => {
    const { clock, network, arrivals, send } = twoHosts()
    const asked: string[] = []
    network.setLinks((from, to) => {
      asked.push(`${from} ${to}`)
      return { latencyMs: 7 }
    })
    send(1)
    send(2)
    await clock.advance(10)
    expect(arrivals).to.deep.equal([1, 2].map((number) => ({ number, at: 7 })))
    expect(asked).to.deep.equal([`${A} ${B}`])
  })

  it('lose what is under way to a host that vanishes, even if it is back in time', async () => {
    const { clock, network, arrivals, send } = twoHosts({ latencyMs: 10 })
    send(1)
    const appear = network.vanish(B)
    await clock.advance(5)
    send(2)
    appear()
    send(3)
    await clock.advance(20)
    expect(numbers(arrivals)).to.deep.equal([3])
    expect(network.stats).to.include({ lost: 2, delivered: 1, inFlight: 0 })
  })

  it('do the same again with the same seed, and something else with another', async () => {
    const run = async (seed: number): Promise<unknown> => {
      const options = { latencyMs: [1, 90], lossRate: 0.1, duplicateRate: 0.1, bytesPerSecond: 5_000 } as const
      const { clock, arrivals, send } = twoHosts(options, seed)
      for (let i = 0; i < 100; i++) send(i)
      await clock.advance(1_000)
      return arrivals
    }
    expect(await run(1)).to.deep.equal(await run(1))
    expect(await run(1)).not.to.deep.equal(await run(2))
  })

  it('are refused if they make no sense', () => {
    const network = new MemoryNetwork()
    for (const link of [
      { latencyMs: -1 },
      { latencyMs: [5, 1] as const },
      { lossRate: 1.5 },
      { duplicateRate: NaN },
      { bytesPerSecond: 0 },
      { queueBytes: -1 }
    ]) {
      for (const set of [
        () => new MemoryNetwork(link),
        () => network.setLink(link),
        () => network.setLinkBetween(A, B, link)
      ]) {
        expect(set).to.throw().with.property('code', 'ERR_INVALID_INPUT')
      }
    }
  })

  it('that throw, or make no sense, cost a datagram and are told of in the log, never to the sender', () => {
    const network = new MemoryNetwork()
    const logged: string[] = []
    const log = { ...silentLogger, error: (_: string, error: unknown) => logged.push((error as Error).message) }
    const socket = network.host('10.0.0.1').bind(1, { log })
    network.host('10.0.0.2')
    network.setLink(() => {
      throw new Error('a broken link')
    })
    socket.send(new Uint8Array(1), Address.of('10.0.0.2', 1))
    network.setLinks(() => ({ latencyMs: -1 }))
    socket.send(new Uint8Array(1), Address.of('10.0.0.2', 1))
    expect(logged).to.have.length(2)
    expect(logged[0]).to.equal('a broken link')
    expect(logged[1]).to.contain('no link can be like this')
    expect(socket.stats.sendErrors).to.equal(2)
  })
})
