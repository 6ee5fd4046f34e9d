import { expect } from 'chai'
import { createKernel, definePlugin, PeerloomError, Router, type KernelEvent } from '#src/kernel/index.js'
import { Contact, NodeId } from '#src/model/index.js'
import { bootstrap } from '#src/plugins/bootstrap/index.js'
import { VirtualClock } from '#src/testkit/index.js'

const seed = Contact.of(NodeId.fromBytes(new Uint8Array(32).fill(5)), [{ host: '10.0.0.1', port: 1 }])

/** A kernel whose router joins as told, and the virtual times at which it was asked to. */
function kernelWith(join: (attempt: number, signal?: AbortSignal) => Promise<number>) {
  const clock = new VirtualClock()
  const asked: number[] = []
  const router = definePlugin({
    name: 'router',
    provides: { router: Router },
    start: () => ({
      router: {
        join: (_: unknown, options?: { signal?: AbortSignal }) => join(asked.push(clock.monotonic()), options?.signal)
      } as Router
    })
  })
  const kernel = createKernel({
    clock,
    plugins: [router, bootstrap.with({ seeds: [seed.toString()] })],
    random: { float: () => 0.5, int: () => 0, bytes: (length) => new Uint8Array(length) }
  })
  const warnings: KernelEvent[] = []
  kernel.events.subscribe((event) => event.type === 'node.warning' && warnings.push(event))
  return { clock, kernel, asked, warnings }
}

const down = () => Promise.reject(new PeerloomError('ERR_CONNECT', 'nobody answers'))

describe('bootstrap', () => {
  it('joins through its seeds before the node is said to be started', async () => {
    const { clock, kernel, asked } = kernelWith(() => Promise.resolve(1))
    await clock.until(kernel.start())
    expect(asked).to.deep.equal([0])
    await clock.advance(600_000)
    expect(asked).to.have.length(1)
    await kernel.stop()
  })

  it('starts without its seeds, says so, and tries again with growing pauses', async () => {
    const { clock, kernel, asked, warnings } = kernelWith((attempt) => (attempt < 9 ? down() : Promise.resolve(1)))
    await clock.until(kernel.start())
    expect(warnings).to.have.length(1)
    await clock.advance(600_000)
    const pauses = asked.slice(1).map((time, i) => time - asked[i]!)
    expect(pauses).to.deep.equal([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000])
    await kernel.stop()
  })

  it('waits for a slow seed only so long, and joins when it answers', async () => {
    let answer: (contacts: number) => void = () => undefined
    const { clock, kernel, asked } = kernelWith(() => new Promise((resolve) => (answer = resolve)))
    await clock.until(kernel.start())
    expect(clock.monotonic()).to.equal(5_000)
    answer(1)
    await clock.advance(600_000)
    expect(asked).to.have.length(1)
    await kernel.stop()
  })

  it('gives up when the node stops, and leaves no timer', async () => {
    const { clock, kernel, asked } = kernelWith(down)
    await clock.until(kernel.start())
    await kernel.stop()
    await clock.advance(600_000)
    expect(asked).to.have.length(1)
    expect(clock.pending).to.equal(0)
  })

  it('refuses a seed that is no contact, by its place', async () => {
    const kernel = createKernel({ plugins: [bootstrap.with({ seeds: [seed, 'nonsense', 5 as never] })] })
    const error: unknown = await kernel.start().catch((thrown: unknown) => thrown)
    expect(error).to.have.property('code', 'ERR_GRAPH')
    const router = definePlugin({
      name: 'router',
      provides: { router: Router },
      start: () => ({ router: {} as Router })
    })
    const other = createKernel({ plugins: [router, bootstrap.with({ seeds: [seed, 'nonsense', 5 as never] })] })
    const refused = (await other.start().catch((thrown: unknown) => thrown)) as Error
    expect(refused).to.have.property('code', 'ERR_CONFIG')
    expect(refused.message)
      .to.contain('bootstrap: seeds.1: not a contact')
      .and.to.contain('bootstrap: seeds.2: expected a contact: its text')
  })
})
