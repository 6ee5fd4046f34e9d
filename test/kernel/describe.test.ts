import { expect } from 'chai'
import { definePlugin, multiToken, printTree, sleep, toMermaid, type Health, type Plugin } from '#src/kernel/index.js'
import { VirtualClock } from '#src/testkit/index.js'
import { kernelOf, probe, rejection, scripted } from './helpers.js'

const Part = multiToken<string>('test/Part')

const takes = (clock: VirtualClock, ms: number) => ({ start: () => sleep(clock, ms) })

function house(clock: VirtualClock): Plugin[] {
  const busy = definePlugin({
    name: 'busy',
    version: '1.2.3',
    needs: { slow: probe('slow'), base: probe('base') },
    optional: { ghost: probe('ghost'), parts: Part },
    start(_, ctx) {
      ctx.defer(() => undefined)
      ctx.defer(() => undefined, 'socket')
      ctx.defer(() => undefined, 'socket')
      ctx.defer(() => undefined, 'passing')()
      ctx.clock.setTimeout(() => undefined, 1_000)
      ctx.events.stream.subscribe()
    }
  })
  return [
    scripted('base', [], takes(clock, 10)),
    scripted('quick', [], { ...takes(clock, 1), needs: ['base'] }),
    scripted('slow', [], { ...takes(clock, 30), needs: ['base'] }),
    busy
  ]
}

describe('the description of a kernel', () => {
  it('tells of every plugin: state, times, contracts and live registrations', async () => {
    const clock = new VirtualClock()
    const kernel = kernelOf(house(clock), { clock })
    expect(kernel.describe().plugins.map(({ state }) => state)).to.deep.equal(['idle', 'idle', 'idle', 'idle'])
    await clock.until(kernel.start())
    const description = kernel.describe()
    expect(description).to.include({ state: 'started', startMs: 40 })
    expect(JSON.parse(JSON.stringify(description))).to.deep.equal(description)
    expect(description.plugins.at(-1)).to.deep.equal({
      name: 'busy',
      version: '1.2.3',
      state: 'started',
      begunMs: 40,
      startMs: 0,
      uses: [
        { contract: 'test/slow@1', optional: false, providers: ['slow'] },
        { contract: 'test/base@1', optional: false, providers: ['base'] },
        { contract: 'test/ghost@1', optional: true, providers: [] },
        { contract: 'test/Part[]@1', optional: true, providers: [] }
      ],
      provides: [],
      registrations: [
        { what: 'clean-up', count: 1 },
        { what: 'socket', count: 2 },
        { what: 'timer', count: 1 },
        { what: 'subscription to events', count: 1 }
      ]
    })
    await clock.advance(2_000)
    expect(
      kernel
        .describe()
        .plugins.at(-1)
        ?.registrations.map(({ what }) => what)
    ).to.not.contain('timer')
    await clock.until(kernel.stop())
    expect(kernel.describe().plugins.map(({ registrations }) => registrations)).to.deep.equal([[], [], [], []])
  })

  it('prints as a tree in which a plugin stands beneath the one that it waited for', async () => {
    const clock = new VirtualClock()
    const kernel = kernelOf(house(clock), { clock })
    await clock.until(kernel.start())
    expect(printTree(kernel.describe()).split('\n')).to.deep.equal([
      'kernel started in 40 ms',
      '└─ base · 10 ms · provides test/base@1 · clean-up',
      '   ├─ quick · 1.0 ms · provides test/quick@1 · clean-up',
      '   └─ slow · 30 ms · provides test/slow@1 · clean-up',
      '      └─ busy@1.2.3 · 0.0 ms · clean-up, socket ×2, timer, subscription to events'
    ])
    await clock.until(kernel.stop())
  })

  it('draws a Mermaid graph, dotted where a wish is optional', () => {
    const kernel = kernelOf([
      scripted('a', []),
      scripted('b', [], { needs: ['a'] }),
      scripted('c', [], { optional: ['b'] })
    ])
    expect(toMermaid(kernel.describe()).split('\n')).to.deep.equal([
      'graph TD',
      '  p0["a"]',
      '  p1["b"]',
      '  p1 -->|"test/a@1"| p0',
      '  p2["c"]',
      '  p2 -.->|"test/b@1"| p1'
    ])
  })

  it('survives plugins that do not fit together, and shows who failed', async () => {
    const cycle = [scripted('a', [], { needs: ['b'] }), scripted('b', [], { needs: ['a'] })]
    const broken = kernelOf([...cycle, scripted('c', [], { needs: ['b'] }), scripted('self', [], { needs: ['self'] })])
    expect(printTree(broken.describe()).split('\n')).to.deep.equal([
      'kernel idle',
      '└─ a · idle · provides test/a@1',
      '   └─ b · idle · provides test/b@1',
      '      └─ c · idle · provides test/c@1',
      '└─ self · idle · provides test/self@1'
    ])
    const failing = kernelOf([
      scripted('base', []),
      scripted('bad', [], {
        needs: ['base'],
        start: () => {
          throw new Error('boom')
        }
      })
    ])
    await rejection(failing.start())
    expect(failing.describe().plugins.map(({ name, state }) => [name, state])).to.deep.equal([
      ['base', 'idle'],
      ['bad', 'failed']
    ])
  })

  it('prints a chain of thousands', () => {
    const plugins = Array.from({ length: 3000 }, (_, i) =>
      scripted(`p${i}`, [], i === 0 ? {} : { needs: [`p${i - 1}`] })
    )
    expect(printTree(kernelOf(plugins).describe()).split('\n')).to.have.length(3001)
  }).timeout(20_000)
})

describe('the health of a kernel', () => {
  it('tells readiness from liveness, for each plugin and for all', async () => {
    const clock = new VirtualClock()
    let health = { ready: true, live: true }
    const patient = definePlugin({ name: 'patient', start: () => undefined, health: () => health })
    const mute = definePlugin({
      name: 'mute',
      start: () => undefined,
      health: () => new Promise<never>(() => undefined)
    })
    const kernel = kernelOf([patient, scripted('base', [])], { clock })
    expect(await kernel.health()).to.deep.equal({
      state: 'idle',
      ready: false,
      live: true,
      plugins: {
        patient: { state: 'idle', ready: false, detail: 'the plugin is idle' },
        base: { state: 'idle', ready: false, detail: 'the plugin is idle' }
      }
    })
    await clock.until(kernel.start())
    expect(await kernel.health()).to.include({ ready: true, live: true })
    health = { ready: false, live: true }
    expect(await kernel.health()).to.include({ state: 'started', ready: false, live: true })
    health = { ready: false, live: false }
    expect(await kernel.health()).to.include({ ready: false, live: false })
    await clock.until(kernel.replace(Object.freeze({ ...mute, name: 'patient' })))
    const waiting = clock.until(kernel.health())
    expect(await waiting).to.deep.include({ ready: false, live: true })
    await clock.until(kernel.stop())
  })

  it('is not ready if a stop began while a plugin thought about it', async () => {
    let answer: () => void = () => undefined
    const slow = definePlugin({
      name: 'slow',
      start: (_, { defer }) => void defer(() => new Promise((resolve) => setImmediate(resolve))),
      health: () => new Promise<Health>((resolve) => (answer = () => resolve({ ready: true })))
    })
    const kernel = kernelOf([slow])
    await kernel.start()
    const asked = kernel.health()
    const stopping = kernel.stop()
    answer()
    const { state, ready } = await asked
    expect([state, ready]).to.deep.equal(['stopping', false])
    await stopping
  })

  it('is not ready while a plugin is replaced, nor once a stop has begun', async () => {
    const kernel = kernelOf([scripted('a', []), scripted('b', [])])
    await kernel.start()
    const replacing = kernel.replace(
      scripted('a', [], {
        start: async () => {
          const health = await kernel.health()
          expect(health).to.include({ state: 'replacing', ready: false, live: true })
          expect(health.plugins['a']).to.include({ state: 'starting', ready: false })
          expect(health.plugins['b']).to.include({ state: 'started', ready: true })
        }
      })
    )
    await replacing
    const stopping = kernel.stop()
    expect(await kernel.health()).to.include({ state: 'stopping', ready: false, live: true })
    await stopping
  })
})
