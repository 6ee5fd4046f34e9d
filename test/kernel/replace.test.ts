import { expect } from 'chai'
import fc from 'fast-check'
import {
  definePlugin,
  forPlugin,
  silentLogger,
  token,
  type Consumer,
  type KernelEvent,
  type LifecycleError,
  type PerConsumer,
  type Plugin
} from '#src/kernel/index.js'
import { VirtualClock } from '#src/testkit/index.js'
import { kernelOf, probe, rejection, scripted, type Script } from './helpers.js'

const hang = (): Promise<never> => new Promise(() => undefined)
const failing = (log: string[], script: Script = {}): Plugin =>
  scripted('mid', log, {
    needs: ['base'],
    ...script,
    start: () => {
      throw new Error('boom')
    }
  })

/** base ← mid ← top, and a bystander. */
const tower = (log: string[]): Plugin[] => [
  scripted('base', log),
  scripted('mid', log, { needs: ['base'] }),
  scripted('top', log, { needs: ['mid'] }),
  scripted('bystander', log, { needs: ['base'] })
]

describe('replacing plugins of a running kernel', () => {
  it('restarts the plugin and exactly its dependents, in order', async () => {
    const log: string[] = []
    const kernel = kernelOf(tower(log))
    await kernel.start()
    const bystander = kernel.resolve(probe('bystander'))
    log.length = 0
    await kernel.replace(scripted('mid', log, { needs: ['base'], start: () => void log.push('new') }))
    expect(log).to.deep.equal(['-top', '-mid', 'new', '+mid', '+top'])
    expect(kernel.state).to.equal('started')
    expect(kernel.resolve(probe('bystander'))).to.equal(bystander)
    log.length = 0
    await kernel.stop()
    expect(log.indexOf('-top')).to.be.lessThan(log.indexOf('-mid'))
    expect(log.indexOf('-mid')).to.be.lessThan(log.indexOf('-base'))
    await kernel.start()
    expect(log).to.contain('new')
    await kernel.stop()
  })

  it('swaps several at once, in one step, by name or by what they provide', async () => {
    const log: string[] = []
    const kernel = kernelOf(tower(log))
    await kernel.start()
    log.length = 0
    const other = definePlugin({
      name: 'other-base',
      provides: { own: probe('base') },
      start: () => ({ own: { name: 'other' } })
    })
    await kernel.replace([other, scripted('mid', log, { needs: ['base'] })])
    expect(kernel.resolve(probe('base'))).to.deep.equal({ name: 'other' })
    expect(log.filter((entry) => entry === '+top')).to.have.length(1)
    await kernel.stop()
  })

  it('restarts a plugin that is replaced by itself', async () => {
    const log: string[] = []
    const plugins = tower(log)
    const kernel = kernelOf(plugins)
    await kernel.start()
    log.length = 0
    for (let i = 0; i < 3; i++) await kernel.replace(plugins[2] as Plugin)
    expect(log).to.deep.equal(['-top', '+top', '-top', '+top', '-top', '+top'])
    await kernel.stop()
  })

  it('restarts those for whom a new plugin fulfils an optional wish', async () => {
    const log: string[] = []
    const wishing = definePlugin({
      name: 'wishing',
      optional: { extra: probe('extra') },
      start: ({ extra }) => void log.push(extra?.name ?? 'nothing')
    })
    const kernel = kernelOf([scripted('a', log), wishing])
    await kernel.start()
    const richer = definePlugin({
      name: 'a',
      provides: { own: probe('a'), extra: probe('extra') },
      start: () => ({ own: { name: 'a' }, extra: { name: 'extra' } })
    })
    await kernel.replace(richer)
    await kernel.replace(scripted('a', log))
    expect(log.filter((entry) => entry === 'nothing' || entry === 'extra')).to.deep.equal([
      'nothing',
      'extra',
      'nothing'
    ])
    await kernel.stop()
  })

  it('touches nothing when the new plugins do not fit, are misconfigured, or take the place of none', async () => {
    const log: string[] = []
    const kernel = kernelOf(tower(log))
    await kernel.start()
    log.length = 0
    const cyclic = kernel.replace(scripted('base', log, { needs: ['top'] }))
    expect(await rejection(cyclic)).to.have.property('code', 'ERR_GRAPH')
    const misconfigured = kernel.replace(Object.freeze({ ...scripted('mid', log), config: 1 }))
    expect(await rejection(misconfigured)).to.have.property('code', 'ERR_CONFIG')
    const stranger = await rejection(kernel.replace(scripted('stranger', log)))
    expect(stranger).to.have.property('code', 'ERR_GRAPH')
    expect(stranger.message).to.contain('nothing for stranger to replace')
    expect(log).to.deep.equal([])
    expect(kernel.state).to.equal('started')
    await kernel.stop()
  })

  for (const how of ['throws', 'hangs'] as const) {
    it(`puts the old plugin back when the new one ${how}, and says so`, async () => {
      const clock = new VirtualClock()
      const log: string[] = []
      const kernel = kernelOf(tower(log), { clock })
      await clock.until(kernel.start())
      log.length = 0
      const events: string[] = []
      kernel.events.subscribe(({ type }) => void events.push(type))
      const bad = how === 'throws' ? failing(log) : scripted('mid', log, { needs: ['base'], start: hang })
      const error = (await clock.until(rejection(kernel.replace(bad)))) as unknown as LifecycleError
      expect(error.code).to.equal('ERR_REPLACE')
      expect(error.message).to.contain('plugin mid').and.to.contain('what ran before runs again')
      expect(error.outcomes.map(({ plugin, outcome }) => [plugin, outcome])).to.deep.equal([
        ['mid', 'failed'],
        ['top', 'not started']
      ])
      expect(log).to.deep.equal(['-top', '-mid', '-mid', '+mid', '+top'])
      expect(events[0]).to.equal('kernel.replacing')
      expect(events.at(-1)).to.equal('kernel.restored')
      expect(kernel.state).to.equal('started')
      expect((await kernel.health()).ready).to.equal(true)
      await clock.until(kernel.stop())
      expect(clock.pending).to.equal(0)
    })
  }

  it('goes back when a dependent cannot live with the new plugin', async () => {
    const log: string[] = []
    const picky = definePlugin({
      name: 'picky',
      needs: { base: probe('base') },
      start({ base }) {
        if (base.name !== 'base') throw new Error(`not with ${base.name}`)
      }
    })
    const kernel = kernelOf([scripted('base', log), picky])
    await kernel.start()
    const other = definePlugin({
      name: 'base',
      provides: { own: probe('base') },
      start: () => ({ own: { name: 'x' } })
    })
    const error = await rejection(kernel.replace(other))
    expect(error.message).to.contain('plugin picky failed to start: not with x')
    expect(kernel.resolve(probe('base')).name).to.equal('base')
    await kernel.stop()
  })

  it('stops everything when the old plugin does not start again, either', async () => {
    const log: string[] = []
    let starts = 0
    const once = scripted('mid', log, {
      needs: ['base'],
      start: () => {
        if (starts++ > 0) throw new Error('only once')
      }
    })
    const logged: unknown[] = []
    const unclean = scripted('unclean', log, { stop: () => Promise.reject(new Error('unclean')) })
    const kernel = kernelOf([unclean, scripted('base', log), once], {
      log: { ...silentLogger, error: (_, error) => logged.push((error as Error).message) }
    })
    await kernel.start()
    const error = await rejection(kernel.replace(failing(log)))
    expect(error.message).to.contain('boom').and.to.contain('only once').and.to.contain('all is stopped')
    expect(kernel.state).to.equal('idle')
    expect(log.at(-1)).to.equal('-base')
    expect(logged).to.deep.equal(['unclean'])
    starts = 0
    await kernel.start()
    const asked = new AbortController()
    const given = rejection(kernel.replace(scripted('mid', log, { start: hang }), { signal: asked.signal }))
    await new Promise((resolve) => setImmediate(resolve))
    asked.abort()
    expect((await given).code).to.equal('ERR_REPLACE')
    expect((await given).message)
      .to.contain('only once')
      .and.to.contain('all is stopped')
    expect((await given).cause).to.have.property('code', 'ERR_ABORTED')
    expect(kernel.state).to.equal('idle')
  })

  it('goes on when the old plugin throws or hangs while it stops', async () => {
    const clock = new VirtualClock()
    for (const stop of [hang, () => Promise.reject(new Error('cannot'))]) {
      const logged: string[] = []
      const say = (message: string): void => void logged.push(message)
      const kernel = kernelOf([scripted('base', [], { stop, stopTimeout: 50 })], {
        clock,
        log: { debug: say, info: say, warn: say, error: say }
      })
      await clock.until(kernel.start())
      await clock.until(kernel.replace(scripted('base', [])))
      expect(logged).to.have.length(1)
      await clock.until(kernel.stop())
      expect(clock.pending).to.equal(0)
    }
  })

  it('serialises replacements, and bounds the line', async () => {
    const log: string[] = []
    const kernel = kernelOf(tower(log))
    await kernel.start()
    log.length = 0
    const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
    const next = (name: string): Plugin =>
      scripted('top', log, {
        needs: ['mid'],
        start: async () => {
          log.push(`${name} begins`)
          await pause()
          log.push(`${name} ends`)
        }
      })
    await Promise.all(['a', 'b', 'c'].map((name) => kernel.replace(next(name))))
    expect(log.filter((entry) => entry.includes(' '))).to.deep.equal(
      ['a', 'b', 'c'].flatMap((name) => [`${name} begins`, `${name} ends`])
    )
    const many = await Promise.allSettled(Array.from({ length: 70 }, (_, i) => kernel.replace(next(`n${i}`))))
    const refused = many.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[]
    expect(refused.map(({ reason }) => (reason as { code: string }).code)).to.deep.equal(refused.map(() => 'ERR_LIMIT'))
    expect(refused.length).to.be.greaterThan(0)
    await kernel.stop()
  })

  it('has the last word for who asked last, also when that is just after another replacement', async () => {
    const log: string[] = []
    const kernel = kernelOf(tower(log))
    await kernel.start()
    const next = (name: string): Promise<void> =>
      kernel.replace(scripted('top', log, { needs: ['mid'], start: () => void log.push(name) }))
    const giveUp = new AbortController()
    log.length = 0
    const first = next('first')
    const given = rejection(kernel.replace(scripted('top', log), { signal: giveUp.signal }))
    const second = next('second')
    giveUp.abort()
    await first
    await Promise.all([next('third'), second, given])
    expect(log.filter((entry) => !/^[-+]/.test(entry))).to.deep.equal(['first', 'second', 'third'])
    await kernel.stop()
  })

  it('waits for a start under way; a start waits for a replacement', async () => {
    const log: string[] = []
    const kernel = kernelOf(tower(log))
    const starting = kernel.start()
    await kernel.replace(scripted('top', log, { needs: ['mid'], start: () => void log.push('new') }))
    await starting
    expect(log.slice(-2)).to.deep.equal(['new', '+top'])
    const replacing = kernel.replace(scripted('top', log, { needs: ['mid'] }))
    await kernel.start()
    expect(kernel.state).to.equal('started')
    await replacing
    await kernel.stop()
  })

  it('is given up by a stop, which leaves nothing running', async () => {
    const clock = new VirtualClock()
    const log: string[] = []
    const kernel = kernelOf(tower(log), { clock })
    await clock.until(kernel.start())
    log.length = 0
    const replacing = rejection(kernel.replace(scripted('mid', log, { needs: ['base'], start: hang })))
    const inLine = rejection(kernel.replace(scripted('top', log)))
    await clock.advance(1)
    expect(kernel.state).to.equal('replacing')
    await clock.until(kernel.stop())
    expect(await replacing).to.have.property('code', 'ERR_ABORTED')
    expect(await inLine).to.have.property('code', 'ERR_STATE')
    expect(kernel.state).to.equal('idle')
    expect(log).to.not.contain('+mid')
    expect(log.at(-1)).to.equal('-base')
    expect(clock.pending).to.equal(0)
    log.length = 0
    await clock.until(kernel.start())
    expect(log).to.deep.equal(['+base', '+mid', '+bystander', '+top'])
    await clock.until(kernel.stop())
  })

  it('is given up by a stop, however far back in line', async () => {
    const log: string[] = []
    const kernel = kernelOf(tower(log))
    await kernel.start()
    const others = Array.from({ length: 8 }, () => rejection(kernel.replace(scripted('top', log))))
    others.push(rejection(kernel.start()))
    await kernel.stop()
    const codes = (await Promise.all(others)).map(({ code }) => code)
    expect(codes).to.deep.equal(['ERR_ABORTED', ...codes.slice(1).map(() => 'ERR_STATE')])
    expect(kernel.describe().plugins.find(({ name }) => name === 'top')?.uses).to.have.length(1)
  })

  it('is given up by its signal, and puts the old plugin back', async () => {
    const log: string[] = []
    const kernel = kernelOf(tower(log))
    await kernel.start()
    const controller = new AbortController()
    const bad = scripted('mid', log, {
      needs: ['base'],
      start: () => {
        controller.abort()
        return hang()
      }
    })
    expect(await rejection(kernel.replace(bad, { signal: controller.signal }))).to.have.property('code', 'ERR_ABORTED')
    expect(kernel.state).to.equal('started')
    expect(kernel.resolve(probe('top')).name).to.equal('top')
    await kernel.stop()
  })

  it('changes what an idle kernel will start', async () => {
    const log: string[] = []
    const kernel = kernelOf(tower(log))
    await kernel.replace(scripted('bystander', log))
    await kernel.start()
    expect(log[1]).to.equal('+bystander')
    await kernel.stop()
  })

  it('resolves what stays, and refuses what is being replaced', async () => {
    const kernel = kernelOf(tower([]))
    await kernel.start()
    const replacing = kernel.replace(
      scripted('mid', [], {
        needs: ['base'],
        start: () => {
          expect(kernel.resolve(probe('base')).name).to.equal('base')
          for (const name of ['mid', 'top']) {
            expect(() => kernel.resolve(probe(name)))
              .to.throw('is being replaced')
              .with.property('code', 'ERR_STATE')
          }
        }
      })
    )
    await replacing
    expect(kernel.resolve(probe('top')).name).to.equal('top')
    await kernel.stop()
  })

  it('tells watchers of a contract as its provider goes and comes', async () => {
    const kernel = kernelOf(tower([]))
    const seen: (string | undefined)[] = []
    const subscription = kernel.watch(probe('mid')).subscribe((mid) => void seen.push(mid?.name))
    const others: unknown[] = []
    kernel.watch(probe('bystander')).subscribe((bystander) => void others.push(bystander?.name))
    await kernel.start()
    await kernel.replace(
      definePlugin({ name: 'mid', provides: { own: probe('mid') }, start: () => ({ own: { name: 'new' } }) })
    )
    await kernel.stop()
    expect(seen).to.deep.equal([undefined, 'mid', undefined, 'new', undefined])
    expect(others).to.deep.equal([undefined, 'bystander', undefined])
    subscription.unsubscribe()
  })

  it('tells watchers of the next provider when none can have a view of this one', async () => {
    const sharing = (view: () => { name: string }): Plugin =>
      definePlugin({
        name: 'base',
        provides: { own: probe('base') },
        start: () => ({ own: { name: 'base', [forPlugin]: view } })
      })
    const refusing = sharing(() => {
      throw new Error('no view for anybody')
    })
    const kernel = kernelOf([refusing])
    const seen: unknown[] = []
    kernel.watch(probe('base')).subscribe((base) => seen.push(base?.name))
    await kernel.start()
    await kernel.replace(sharing(() => ({ name: 'a view' })))
    expect(seen).to.deep.equal([undefined, 'a view'])
    await kernel.stop()
  })

  it('takes back what the application registered with a provider, before it stops', async () => {
    interface Board {
      post(note: string): void
    }
    const Board = token<Board>('test/Board')
    const log: string[] = []
    const board = definePlugin({
      name: 'board',
      provides: { board: Board },
      start(_, ctx) {
        ctx.defer(() => log.push('board stops'))
        const implementation: Board & PerConsumer<Board> = {
          post: () => undefined,
          [forPlugin]: ({ name, defer }: Consumer) => ({
            post: (note) => {
              log.push(`${name}: ${note}`)
              defer(() => log.push(`${note} taken back`))
            }
          })
        }
        return { board: implementation }
      }
    })
    const kernel = kernelOf([board])
    await kernel.start()
    kernel.resolve(Board).post('one')
    await kernel.replace(board)
    kernel.resolve(Board).post('two')
    await kernel.stop()
    expect(log).to.deep.equal([
      'application: one',
      'one taken back',
      'board stops',
      'application: two',
      'two taken back',
      'board stops'
    ])
  })

  it('keeps the container, the heap of registrations and the timers flat over many replacements', async () => {
    const clock = new VirtualClock()
    const kernel = kernelOf(tower([]), { clock })
    await clock.until(kernel.start())
    const { container } = kernel
    const entries = (): number =>
      (container as unknown as { _registry: { _registryMap: Map<unknown, unknown[]> } })._registry._registryMap.size
    const before = entries()
    for (let i = 0; i < 100; i++) await clock.until(kernel.replace(scripted('mid', [], { needs: ['base'] })))
    expect(kernel.container).to.equal(container)
    expect(entries()).to.equal(before)
    expect(container.resolve(probe('mid'))).to.equal(kernel.resolve(probe('mid')))
    expect(clock.pending).to.equal(0)
    await clock.until(kernel.stop())
  })

  it('keeps the order of every graph, whatever is replaced and whatever fails', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uniqueArray(fc.nat(59), { maxLength: 3 }), { minLength: 2, maxLength: 60 }),
        fc.array(fc.record({ at: fc.nat(59), faulty: fc.boolean() }), { minLength: 1, maxLength: 4 }),
        async (edges, swaps) => {
          const clock = new VirtualClock()
          const alive = new Map<string, number>()
          let generation = 0
          const make = (i: number, faulty = false): Plugin => {
            const needs = [...new Set((edges[i] ?? []).filter((other) => other < i))].map((other) => `p${other}`)
            const mine = generation++
            return scripted(`p${i}`, [], {
              needs,
              start: (ctx) => {
                for (const other of needs) expect(alive.has(other), `${other} before p${i}`).to.equal(true)
                expect(alive.has(`p${i}`), 'one at a time').to.equal(false)
                if (faulty) throw new Error('faulty')
                alive.set(`p${i}`, mine)
                ctx.defer(() => {
                  const dependents = [...alive.keys()].filter((other) =>
                    edges[Number(other.slice(1))]?.some((below) => below === i && below < Number(other.slice(1)))
                  )
                  expect(dependents, `dependents of p${i} stop first`).to.deep.equal([])
                  alive.delete(`p${i}`)
                })
              }
            })
          }
          const kernel = kernelOf(
            edges.map((_, i) => make(i)),
            { clock }
          )
          await clock.until(kernel.start())
          for (const { at, faulty } of swaps) {
            const i = at % edges.length
            const before = new Map(alive)
            const next = generation
            const failure = await clock.until(
              kernel.replace(make(i, faulty)).then(
                () => undefined,
                (error: unknown) => error
              )
            )
            expect(failure === undefined).to.equal(!faulty)
            expect(alive.get(`p${i}`)).to.equal(faulty ? before.get(`p${i}`) : next)
            expect([...alive.keys()].sort()).to.deep.equal([...before.keys()].sort())
          }
          const stopped = kernel.stop()
          await clock.until(stopped)
          expect([...alive]).to.deep.equal([])
          expect(clock.pending).to.equal(0)
        }
      ),
      { numRuns: 40 }
    )
  }).timeout(20_000)

  it('tells in events what is replaced and what restarts', async () => {
    const kernel = kernelOf(tower([]))
    await kernel.start()
    const events: KernelEvent[] = []
    kernel.events.subscribe((event) => void events.push(event))
    await kernel.replace(scripted('mid', [], { needs: ['base'] }))
    expect(events[0]).to.deep.include({ type: 'kernel.replacing', plugins: ['mid'], restarting: ['mid', 'top'] })
    expect(events.at(-1)).to.deep.include({ type: 'kernel.replaced', plugins: ['mid'] })
    await kernel.stop()
  })
})
