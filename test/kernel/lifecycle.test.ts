import { expect } from 'chai'
import fc from 'fast-check'
import { definePlugin, ofType, silentLogger, sleep, type LifecycleError, type Plugin } from '#src/kernel/index.js'
import { VirtualClock } from '#src/testkit/index.js'
import { kernelOf, probe, rejection, scripted } from './helpers.js'

const hang = (): Promise<never> => new Promise(() => undefined)

describe('start and stop', () => {
  it('starts after dependencies, in parallel where it can, and stops in reverse', async () => {
    const log: string[] = []
    const kernel = kernelOf([
      scripted('top', log, { needs: ['left', 'right'] }),
      scripted('left', log, { needs: ['base'] }),
      scripted('right', log, { needs: ['base'] }),
      scripted('base', log)
    ])
    await kernel.start()
    expect(kernel.state).to.equal('started')
    expect(log).to.deep.equal(['+base', '+left', '+right', '+top'])
    log.length = 0
    await kernel.stop()
    expect(log[0]).to.equal('-top')
    expect(log.at(-1)).to.equal('-base')
    expect(kernel.state).to.equal('idle')
  })

  it('starts plugins side by side', async () => {
    let release: () => void = () => undefined
    const gate = new Promise<void>((resolve) => (release = resolve))
    let waiting = 0
    const both = () => {
      if (++waiting === 2) release()
      return gate
    }
    await kernelOf([scripted('a', [], { start: both }), scripted('b', [], { start: both })]).start()
    expect(waiting).to.equal(2)
  })

  it('can be started again after a stop, and both are idempotent', async () => {
    const log: string[] = []
    const kernel = kernelOf([scripted('a', log)])
    await Promise.all([kernel.start(), kernel.start()])
    await kernel.start()
    await Promise.all([kernel.stop(), kernel.stop()])
    await kernel.stop()
    await kernel.start()
    await kernel.stop()
    expect(log).to.deep.equal(['+a', '-a', '+a', '-a'])
  })

  it('refuses a start while it stops', async () => {
    const kernel = kernelOf([scripted('a', [])])
    await kernel.start()
    const stopping = kernel.stop()
    expect(await rejection(kernel.start())).to.have.property('code', 'ERR_STATE')
    await stopping
    expect(kernel.state).to.equal('idle')
  })

  it('stops once and is not started meanwhile, whatever is called by those who are told of it', async () => {
    const log: string[] = []
    const kernel = kernelOf([scripted('a', log, { stop: () => new Promise((resolve) => setImmediate(resolve)) })])
    const refused: Promise<Error & Record<string, unknown>>[] = []
    let toldBefore = false
    kernel.watch(probe('a')).subscribe((a) => {
      if (a === undefined && toldBefore) void kernel.stop()
      toldBefore = a !== undefined
    })
    kernel.events.pipe(ofType('kernel.stopping', 'kernel.stopped')).subscribe(({ type }) => {
      log.push(type)
      if (type === 'kernel.stopped') return
      void kernel.stop()
      refused.push(rejection(kernel.start()), rejection(kernel.replace(scripted('a', log))))
    })
    await kernel.start()
    await kernel.stop()
    expect(log).to.deep.equal(['+a', 'kernel.stopping', '-a', 'kernel.stopped'])
    expect((await Promise.all(refused)).map(({ code }) => code)).to.deep.equal(['ERR_STATE', 'ERR_STATE'])
    expect(kernel.state).to.equal('idle')
  })

  it('stops what had started when a plugin fails, and tells of each', async () => {
    const log: string[] = []
    const boom = new Error('boom')
    const kernel = kernelOf([
      scripted('base', log),
      scripted('bad', log, {
        needs: ['base'],
        start: () => {
          throw boom
        }
      }),
      scripted('never', log, { needs: ['bad'] })
    ])
    const error = (await rejection(kernel.start())) as unknown as LifecycleError
    expect(error.code).to.equal('ERR_START')
    expect(error.message).to.contain('plugin bad failed to start: boom')
    expect(error.cause).to.equal(boom)
    expect(error.outcomes.map(({ plugin, outcome }) => [plugin, outcome])).to.have.deep.members([
      ['base', 'stopped'],
      ['bad', 'failed'],
      ['never', 'not started']
    ])
    expect(log).to.deep.equal(['+base', '-bad', '-base'])
    expect(kernel.state).to.equal('idle')
  })

  it('blames the plugin that hangs, not those that wait for it or started beside it', async () => {
    const clock = new VirtualClock()
    let signal: AbortSignal | undefined
    const kernel = kernelOf(
      [
        scripted('parent', [], { needs: ['slow'], startTimeout: 10 }),
        scripted('slow', [], {
          startTimeout: 5000,
          start: (ctx) => {
            signal = ctx.signal
            return hang()
          }
        })
      ],
      { clock }
    )
    const error = await clock.until(rejection(kernel.start()))
    expect(error.message).to.contain('plugin slow did not start within 5000 ms')
    expect(signal?.aborted).to.equal(true)
    expect(clock.pending).to.equal(0)
  })

  it('tells all that are under way at once when one fails, however long another takes to stop', async () => {
    const clock = new VirtualClock()
    const told: number[] = []
    const waiting = (name: string) =>
      scripted(name, [], {
        start: ({ signal }) => {
          signal.addEventListener('abort', () => told.push(clock.monotonic()))
          return hang()
        },
        stop: () => sleep(clock, 500)
      })
    const bad = scripted('bad', [], {
      start: async () => {
        await sleep(clock, 100)
        throw new Error('boom')
      }
    })
    await clock.until(rejection(kernelOf([waiting('a'), waiting('b'), bad], { clock }).start()))
    expect(told).to.deep.equal([100, 100])
    expect(clock.monotonic()).to.equal(1100)
  })

  it('undoes what a start registers after it was given up on', async () => {
    const clock = new VirtualClock()
    let finish: () => void = () => undefined
    let undone = false
    let heard = 0
    const late = definePlugin({
      name: 'late',
      startTimeout: 10,
      async start(_, ctx) {
        await new Promise<void>((resolve) => (finish = resolve))
        ctx.defer(() => (undone = true))
        ctx.events.stream.subscribe(() => heard++)
      }
    })
    const kernel = kernelOf([late], { clock })
    await clock.until(rejection(kernel.start()))
    expect(undone).to.equal(false)
    finish()
    await clock.advance(0)
    expect(undone).to.equal(true)
    await clock.until(rejection(kernel.start()))
    expect(heard).to.equal(0)
  })

  it('blames by name a plugin that throws what has no text', async () => {
    const thrown: unknown = Object.create(null)
    const throwing = (): never => {
      throw thrown
    }
    const error = await rejection(kernelOf([scripted('odd', [], { start: throwing })]).start())
    expect([error.code, error.cause]).to.deep.equal(['ERR_START', thrown])
    expect(error.message).to.contain('plugin odd failed to start')
    const sick = kernelOf([definePlugin({ name: 'sick', start: () => undefined, health: throwing })])
    await sick.start()
    expect((await sick.health()).plugins.sick?.ready).to.equal(false)
    await sick.stop()
  })

  it('is not harmed by a logger that throws', async () => {
    const log = {
      ...silentLogger,
      error: () => {
        throw new Error('nowhere to write')
      }
    }
    const unclean = scripted('unclean', [], { stop: () => Promise.reject(new Error('unclean')) })
    const bad = scripted('bad', [], { needs: ['unclean'], start: () => Promise.reject(new Error('boom')) })
    const kernel = kernelOf([unclean, bad], { log })
    kernel.events.subscribe(() => {
      throw new Error('subscriber')
    })
    const error = await rejection(kernel.start())
    expect(error.code).to.equal('ERR_START')
    expect(error.message).to.contain('bad failed to start: boom')
  })

  it('goes on stopping when clean-ups throw or hang, and reports them all', async () => {
    const clock = new VirtualClock()
    const log: string[] = []
    const kernel = kernelOf(
      [
        scripted('base', log),
        scripted('throws', log, {
          needs: ['base'],
          stop: () => {
            throw new Error('cannot')
          }
        }),
        scripted('hangs', log, { needs: ['base'], stop: hang, stopTimeout: 70 })
      ],
      { clock }
    )
    await kernel.start()
    const error = await clock.until(rejection(kernel.stop()))
    expect(error.code).to.equal('ERR_STOP')
    expect(error.message).to.contain('cannot').and.to.contain('plugin hangs did not stop within 70 ms')
    expect(log.at(-1)).to.equal('-base')
    expect(clock.pending).to.equal(0)
    await kernel.stop()
  })

  it('runs the clean-ups behind one that hangs', async () => {
    const clock = new VirtualClock()
    const undone: string[] = []
    const plugin = definePlugin({
      name: 'p',
      stopTimeout: 50,
      start(_, ctx) {
        ctx.defer(() => undone.push('first'))
        ctx.defer(() => undone.push('second'))
        ctx.defer(hang)
      }
    })
    const kernel = kernelOf([plugin], { clock })
    await kernel.start()
    await clock.until(rejection(kernel.stop()))
    expect(undone).to.deep.equal(['second', 'first'])
  })

  it('gives a start up when asked to stop or when the signal is aborted', async () => {
    for (const how of ['stop', 'signal'] as const) {
      const log: string[] = []
      const controller = new AbortController()
      const kernel = kernelOf([scripted('base', log), scripted('slow', log, { needs: ['base'], start: hang })])
      const starting = rejection(kernel.start({ signal: controller.signal }))
      await new Promise((resolve) => setImmediate(resolve))
      if (how === 'stop') await kernel.stop()
      else controller.abort()
      expect(await starting).to.have.property('code', 'ERR_ABORTED')
      expect(log).to.deep.equal(['+base', '-slow', '-base'])
      expect(kernel.state).to.equal('idle')
    }
  })

  it('cancels timers and subscriptions of a plugin when it stops', async () => {
    const clock = new VirtualClock()
    const seen: string[] = []
    const kernel = kernelOf(
      [
        definePlugin({
          name: 'ticker',
          start(_, ctx) {
            ctx.clock.setTimeout(() => seen.push('tick'), 1000)
            ctx.events.stream.subscribe(({ type }) => seen.push(type))
          }
        })
      ],
      { clock }
    )
    await kernel.start()
    await kernel.stop()
    expect(clock.pending).to.equal(0)
    expect(seen.filter((type) => type !== 'plugin.started' && type !== 'kernel.started')).to.deep.equal([
      'kernel.stopping'
    ])
  })

  it('lets no plugin hold time longer than it runs', async () => {
    const clock = new VirtualClock()
    let holdAgain: () => void = () => undefined
    const holder = definePlugin({
      name: 'holder',
      start: (_, ctx) => {
        ctx.clock.hold()
        ctx.defer(() => void ctx.clock.hold())
        holdAgain = () => void ctx.clock.hold()
      }
    })
    const kernel = kernelOf([holder], { clock })
    await kernel.start()
    await kernel.stop()
    holdAgain()
    await clock.advance(1)
  })

  it('lets clean-ups wait by the clock of their plugin', async () => {
    const clock = new VirtualClock()
    const plugin = definePlugin({
      name: 'lingering',
      start: (_, ctx) => void ctx.defer(() => sleep(ctx.clock, 50))
    })
    const kernel = kernelOf([plugin], { clock })
    await kernel.start()
    await clock.until(kernel.stop())
    expect([clock.monotonic(), clock.pending]).to.deep.equal([50, 0])
  })

  it('begins nothing if it is stopped while it checks the configuration', async () => {
    const log: string[] = []
    let checked: () => void = () => undefined
    const schema = {
      '~standard': {
        version: 1 as const,
        vendor: 'test',
        validate: () => new Promise<{ value: object }>((resolve) => (checked = () => resolve({ value: {} })))
      }
    }
    const slow = definePlugin({ name: 'slow', config: schema, start: () => void log.push('+slow') })
    const kernel = kernelOf([scripted('quick', log), slow])
    const starting = rejection(kernel.start())
    const stopping = kernel.stop()
    checked()
    expect(await starting).to.have.property('code', 'ERR_ABORTED')
    await stopping
    expect(log).to.deep.equal([])
  })

  it('waits for no check of a configuration that never ends', async () => {
    const clock = new VirtualClock()
    const checkedBy = (validate: () => never | Promise<never>): Plugin =>
      definePlugin({
        name: 'endless',
        config: { '~standard': { version: 1, vendor: 'test', validate } },
        startTimeout: 30,
        start: () => undefined
      })
    const endless = kernelOf([checkedBy(hang)], { clock })
    const given = rejection(endless.start())
    await endless.stop()
    expect(await given).to.have.property('code', 'ERR_ABORTED')
    const giveUp = new AbortController()
    const signalled = rejection(endless.start({ signal: giveUp.signal }))
    giveUp.abort()
    expect(await signalled).to.have.property('code', 'ERR_ABORTED')
    expect(clock.pending).to.equal(0)
    const late = await clock.until(rejection(endless.start()))
    expect(late).to.have.property('code', 'ERR_CONFIG')
    expect(late.message).to.contain('endless: its configuration was not checked within 30 ms')
    const throwing = checkedBy(() => {
      throw new Error('the schema is broken')
    })
    const broken = await rejection(kernelOf([throwing]).start())
    expect(broken).to.have.property('code', 'ERR_CONFIG')
    expect(broken.message).to.contain('endless: the schema is broken')
  })

  it('lets whoever joins a start give up waiting without giving it up', async () => {
    let release: () => void = () => undefined
    const gate = new Promise<void>((resolve) => (release = resolve))
    const kernel = kernelOf([scripted('a', [], { start: () => gate })])
    const controller = new AbortController()
    const first = kernel.start()
    const joined = rejection(kernel.start({ signal: controller.signal }))
    controller.abort()
    expect(await joined).to.have.property('code', 'ERR_ABORTED')
    release()
    await first
    expect(kernel.state).to.equal('started')
    await kernel.stop()
  })

  it('refuses a plugin that returns something other than it provides', async () => {
    const wrong = { name: 'wrong', provides: { own: probe('wrong') } }
    for (const returned of [{}, { own: undefined }, { own: { name: '' }, other: 1 }, undefined]) {
      const error = await rejection(kernelOf([definePlugin({ ...wrong, start: () => returned as never })]).start())
      expect(error.cause).to.have.property('code', 'ERR_PLUGIN')
    }
  })

  it('resolves contracts only while started', async () => {
    const kernel = kernelOf([scripted('a', [])])
    expect(() => kernel.resolve(probe('a')))
      .to.throw()
      .with.property('code', 'ERR_STATE')
    await kernel.start()
    expect(kernel.resolve(probe('a'))).to.deep.equal({ name: 'a' })
    expect(kernel.container.resolve(probe('a'))).to.equal(kernel.resolve(probe('a')))
    expect(kernel.tryResolve(probe('b'))).to.equal(undefined)
    expect(() => kernel.resolve(probe('b')))
      .to.throw()
      .with.property('code', 'ERR_GRAPH')
    await kernel.stop()
    expect(() => kernel.resolve(probe('a')))
      .to.throw()
      .with.property('code', 'ERR_STATE')
  })

  it('tells how each plugin is', async () => {
    const sick = definePlugin({
      name: 'sick',
      start: () => undefined,
      health: () => {
        throw new Error('no pulse')
      }
    })
    const kernel = kernelOf([scripted('well', []), sick])
    expect(await kernel.health()).to.include({ state: 'idle', ready: false })
    await kernel.start()
    expect(await kernel.health()).to.deep.include({
      state: 'started',
      ready: false,
      plugins: {
        well: { state: 'started', ready: true },
        sick: { state: 'started', ready: false, detail: 'no pulse' }
      }
    })
    await kernel.stop()
  })

  it('keeps every promise for any graph, whatever fails', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uniqueArray(fc.nat(199), { maxLength: 4 }), { minLength: 1, maxLength: 200 }),
        fc.option(fc.record({ at: fc.nat(199), how: fc.constantFrom('throw', 'hang') }), { nil: undefined }),
        async (edges, fault) => {
          const clock = new VirtualClock()
          const log: string[] = []
          const alive = new Set<string>()
          const plugins = edges.map((below, i) => {
            const name = `p${i}`
            const needs = [...new Set(below.filter((other) => other < i))].map((other) => `p${other}`)
            return scripted(name, log, {
              needs,
              start: (ctx) => {
                expect(needs.every((other) => log.includes(`+${other}`))).to.equal(true)
                alive.add(name)
                ctx.defer(() => alive.delete(name))
                if (fault?.at !== i) return
                if (fault.how === 'throw') throw new Error('fault')
                return hang()
              }
            })
          })
          const kernel = kernelOf([...plugins].reverse(), { clock })
          if (fault !== undefined && fault.at < edges.length) {
            const error = await clock.until(rejection(kernel.start()))
            expect(error.message).to.contain(`plugin p${fault.at} `)
          } else {
            await clock.until(kernel.start())
            expect(alive.size).to.equal(edges.length)
            await clock.until(kernel.stop())
          }
          const stops = log.filter((entry) => entry.startsWith('-')).map((entry) => Number(entry.slice(2)))
          for (const [position, stopped] of stops.entries()) {
            for (const below of edges[stopped]!.filter((other) => other < stopped)) {
              expect(stops.indexOf(below), 'a dependency stops later').to.be.greaterThan(position)
            }
          }
          expect([...alive]).to.deep.equal([])
          expect(clock.pending).to.equal(0)
        }
      ),
      { numRuns: 30 }
    )
  }).timeout(20_000)
})
