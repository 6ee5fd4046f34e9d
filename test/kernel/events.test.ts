import { expect } from 'chai'
import { map } from 'rxjs'
import { definePlugin, ofType } from 'peerloom'
import { kernelOf, scripted } from './helpers.js'

declare module 'peerloom' {
  interface EventMap {
    'test.happened': { what: string }
  }
}

const emitter = definePlugin({
  name: 'emitter',
  start: (_, { events }) => events.emit('test.happened', { what: 'a thing' }, { attempt: 'one' })
})

describe('the event stream', () => {
  it('tells the whole story of a start and a stop, in order', async () => {
    const kernel = kernelOf([scripted('a', []), scripted('b', [], { needs: ['a'] })])
    const seen: string[] = []
    kernel.events.subscribe((event) => seen.push('name' in event ? `${event.type} ${event.name}` : event.type))
    await kernel.start()
    await kernel.stop()
    expect(seen).to.deep.equal([
      'kernel.starting',
      'plugin.starting a',
      'plugin.started a',
      'plugin.starting b',
      'plugin.started b',
      'kernel.started',
      'kernel.stopping',
      'plugin.stopped b',
      'plugin.stopped a',
      'kernel.stopped'
    ])
  })

  it('narrows to a type, carries the plugin, the time and the attempt', async () => {
    const kernel = kernelOf([emitter])
    const seen: unknown[] = []
    kernel.events
      .pipe(ofType('test.happened'))
      .subscribe((event) => seen.push([event.what, event.plugin, event.attempt, event.time > 0]))
    await kernel.start()
    await kernel.stop()
    expect(seen).to.deep.equal([['a thing', 'emitter', 'one', true]])
  })

  it('makes an event only for those who want its type', async () => {
    let made = 0
    const lazy = definePlugin({
      name: 'lazy',
      start(_, { events }) {
        const seen: string[] = []
        events.of('plugin.started').subscribe(({ name }) => seen.push(name))
        const emit = (): void => {
          events.emit('test.happened', () => ({ what: `thing ${String(++made)}` }))
        }
        emit()
        const wanting = events.of('test.happened', 'kernel.stopped').subscribe(({ type }) => seen.push(type))
        emit()
        wanting.unsubscribe()
        emit()
        expect([made, seen]).to.deep.equal([1, ['test.happened']])
        return undefined
      }
    })
    const kernel = kernelOf([lazy])
    await kernel.start()
    expect(kernel.describe().plugins[0]!.registrations).to.deep.equal([{ what: 'subscription to events', count: 1 }])
    await kernel.stop()
  })

  it('is not harmed by subscribers and operators that throw', async () => {
    const complaints: unknown[] = []
    const log = {
      debug: () => 0,
      info: () => 0,
      warn: () => 0,
      error: (_: string, e: unknown) => complaints.push((e as Error).message)
    }
    const kernel = kernelOf([emitter], { log })
    const seen: string[] = []
    kernel.events.subscribe(() => {
      throw new Error('subscriber')
    })
    const broken = kernel.events.pipe(
      map(() => {
        throw new Error('operator')
      })
    )
    broken.subscribe()
    broken.subscribe({
      error: () => {
        throw new Error('handler')
      }
    })
    kernel.events.subscribe(({ type }) => seen.push(type))
    await kernel.start()
    await kernel.stop()
    await new Promise((resolve) => setTimeout(resolve, 0))
    expect(seen).to.include('test.happened').and.to.include('kernel.stopped')
    expect(new Set(complaints)).to.deep.equal(new Set(['subscriber', 'operator', 'handler']))
  })

  it('shows every subscriber the same order when one of them causes further events', async () => {
    const orders: string[][] = [[], []]
    const echo = definePlugin({
      name: 'echo',
      start(_, { events }) {
        events.stream.pipe(ofType('plugin.started')).subscribe(() => events.emit('test.happened', { what: 'echo' }))
      }
    })
    const kernel = kernelOf([echo])
    kernel.events.subscribe(({ type }) => orders[0]!.push(type))
    await kernel.start()
    await kernel.stop()
    expect(orders[0]!.indexOf('plugin.started')).to.be.lessThan(orders[0]!.indexOf('test.happened'))
  })

  it('leaves no subscriber behind', async () => {
    const kernel = kernelOf([emitter])
    let count = 0
    const subscription = kernel.events.subscribe(() => count++)
    subscription.unsubscribe()
    await kernel.start()
    await kernel.stop()
    expect(count).to.equal(0)
  })
})
