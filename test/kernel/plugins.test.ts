import { expect } from 'chai'
import * as v from 'valibot'
import { z } from 'zod'
import {
  definePlugin,
  forPlugin,
  fromClass,
  ofType,
  plugin,
  token,
  use,
  useOptional,
  type Consumer,
  type PerConsumer,
  type PluginContext
} from '#src/kernel/index.js'
import { VirtualClock } from '#src/testkit/index.js'
import { kernelOf, rejection } from './helpers.js'

interface Greeter {
  greet(name: string): string
}
const Greeter = token<Greeter>('test/Greeter')
interface Voice {
  loud: boolean
}
const Voice = token<Voice>('test/Voice')

const voice = definePlugin({
  name: 'voice',
  provides: { voice: Voice },
  config: z.object({ loud: z.boolean().default(false) }),
  start: (_, { config }) => ({ voice: { loud: config.loud } })
})

const greeterConfig = z.object({ greeting: z.string().min(1).default('Hello') })

@plugin({ name: 'greeter', provides: { greeter: Greeter }, config: greeterConfig })
class GreeterPlugin implements Greeter {
  #greeting = ''

  constructor(
    @use(Voice) private readonly voice: Voice,
    @useOptional(token<{ end: string }>('test/Ending')) readonly ending: { end: string } | undefined
  ) {}

  start({ config }: PluginContext<z.infer<typeof greeterConfig>>): { greeter: Greeter } {
    this.#greeting = config.greeting
    return { greeter: this }
  }

  greet(name: string): string {
    const text = `${this.#greeting}, ${name}${this.ending?.end ?? '.'}`
    return this.voice.loud ? text.toUpperCase() : text
  }
}

describe('plugins', () => {
  it('are functions or classes, with the same dependencies and configuration', async () => {
    const kernel = kernelOf([voice.with({ loud: true }), GreeterPlugin])
    await kernel.start()
    expect(kernel.resolve(Greeter).greet('world')).to.equal('HELLO, WORLD.')
    await kernel.stop()

    const ending = definePlugin({
      name: 'ending',
      provides: { e: token<{ end: string }>('test/Ending') },
      start: () => ({ e: { end: '!' } })
    })
    const other = kernelOf([voice, fromClass(GreeterPlugin).with({ greeting: 'Hi' }), ending])
    await other.start()
    expect(other.resolve(Greeter).greet('world')).to.equal('Hi, world!')
    await other.stop()
  })

  it('build a new instance at each start', async () => {
    const kernel = kernelOf([voice, GreeterPlugin])
    await kernel.start()
    const first = kernel.resolve(Greeter)
    await kernel.stop()
    await kernel.start()
    expect(kernel.resolve(Greeter)).not.to.equal(first)
    await kernel.stop()
  })

  it('have every bad value of their configuration named before anything starts', async () => {
    let started = false
    const witness = definePlugin({ name: 'witness', start: () => void (started = true) })
    const error = await rejection(
      kernelOf(
        [
          witness,
          voice.with({ loud: 'very' as never }),
          fromClass(GreeterPlugin).with({ greeting: '' }),
          witness.with({ a: 1 } as never)
        ].map((p, i) => (i === 3 ? Object.freeze({ ...p, name: 'bare' }) : p))
      ).start()
    )
    expect(error).to.have.property('code', 'ERR_CONFIG')
    expect(error.message)
      .to.contain('voice: loud: ')
      .and.to.contain('greeter: greeting: ')
      .and.to.contain('bare: takes no configuration')
    expect(started).to.equal(false)
  })

  it('are given what the constructor that they inherit wants', async () => {
    class Base {
      constructor(
        @use(Voice) readonly voice: Voice,
        @useOptional(token<{ end: string }>('test/Ending')) readonly ending: { end: string } | undefined
      ) {}
    }
    class Between extends Base {}
    const seen: unknown[] = []
    @plugin({ name: 'heir' })
    class Heir extends Between {
      start(): void {
        seen.push(this.voice.loud, this.ending)
      }
    }
    const kernel = kernelOf([voice.with({ loud: true }), Heir])
    await kernel.start()
    expect(seen).to.deep.equal([true, undefined])
    await kernel.stop()
  })

  it('have options that do not exist or are missing named in plain words, whatever the validator', async () => {
    const strict = [z.strictObject({ a: z.number() }), v.strictObject({ a: v.number() })].map((config, i) =>
      definePlugin({ name: `p${i}`, config, start: () => undefined }).with({ b: 1 } as never)
    )
    const { message } = await rejection(kernelOf(strict).start())
    expect(message)
      .to.contain('p0: a: ')
      .and.to.contain('p0: Unrecognized key: "b"')
      .and.to.contain('p1: a: expected a value, got none')
      .and.to.contain('p1: b: no such option: "b"')
  })

  it('are refused when a constructor parameter has no @use, at registration', () => {
    expect(() => {
      @plugin({ name: 'forgetful' })
      class Forgetful {
        constructor(
          @use(Voice) readonly voice: Voice,
          readonly forgotten: Voice
        ) {}
        start(): void {
          this.forgotten
        }
      }
      Forgetful
    })
      .to.throw('class Forgetful: constructor parameter 2 has no @use(Token)')
      .with.property('code', 'ERR_PLUGIN')
  })

  it('are refused when malformed', () => {
    class Plain {
      start(): void {
        return undefined
      }
    }
    expect(() => kernelOf([Plain])).to.throw('class Plain is not a plugin')
    for (const stranger of [undefined, null, 'engine', {}, { name: 'x', start: () => undefined }]) {
      expect(() => kernelOf([stranger as never]))
        .to.throw('not a plugin')
        .with.property('code', 'ERR_PLUGIN')
    }
    for (const bad of [
      { name: '' },
      { name: 'a b' },
      { name: 'x', startTimeout: 0 },
      { name: 'x', stopTimeout: NaN },
      { name: 'x', needs: { voice: undefined as never } }
    ]) {
      expect(() => definePlugin({ ...bad, start: () => undefined }), JSON.stringify(bad))
        .to.throw()
        .with.property('code', 'ERR_PLUGIN')
    }
  })

  it('are told at once what callers without types get wrong', async () => {
    const bad = (work: () => unknown, code: string): void => {
      expect(work).to.throw().with.property('code', code)
    }
    for (const definition of [undefined, null, {}, { name: 'x' }, { name: 'x', start: 1 }]) {
      bad(() => definePlugin(definition as never), 'ERR_PLUGIN')
    }
    bad(() => definePlugin({ name: 'x', start: () => undefined, health: 5 } as never), 'ERR_PLUGIN')
    bad(() => definePlugin({ name: 'x', start: () => undefined, startTimeout: '5' } as never), 'ERR_PLUGIN')
    bad(() => token(undefined as never), 'ERR_PLUGIN')
    bad(() => kernelOf('x' as never), 'ERR_PLUGIN')
    const kernel = kernelOf([])
    await kernel.start()
    for (const stranger of [undefined, null, 'Router', {}]) bad(() => kernel.resolve(stranger as never), 'ERR_PLUGIN')
    await kernel.stop()
    const careless = definePlugin({
      name: 'careless',
      start(_, { clock, defer }) {
        bad(() => defer(5 as never), 'ERR_INVALID_INPUT')
        bad(() => clock.setTimeout(null as never, 5), 'ERR_INVALID_INPUT')
        bad(() => clock.setTimeout(() => undefined, NaN), 'ERR_INVALID_INPUT')
      }
    })
    await kernelOf([careless]).start()
  })

  it('do not end the process when one of their timers throws; it is told in their name', async () => {
    const clock = new VirtualClock()
    const boom = new Error('boom')
    const careless = definePlugin({
      name: 'careless',
      start: (_, context) =>
        void context.clock.setTimeout(() => {
          throw boom
        }, 10)
    })
    const kernel = kernelOf([careless], { clock })
    const warnings: unknown[] = []
    kernel.events.pipe(ofType('node.warning')).subscribe((event) => void warnings.push(event))
    await kernel.start()
    await clock.advance(20)
    expect(warnings).to.have.length(1)
    expect(warnings[0]).to.include({ plugin: 'careless', message: 'a timer failed: boom', error: boom })
    await kernel.stop()
  })

  it('get a view of their own where an implementation knows its consumers', async () => {
    const registered: string[] = []
    interface Book {
      write(line: string): void
    }
    const Book = token<Book>('test/Book')
    const book: Book & PerConsumer<Book> = {
      write: () => expect.fail('only views are handed out'),
      [forPlugin]: (consumer: Consumer) => ({
        write(line) {
          const entry = `${consumer.name}: ${line}`
          registered.push(entry)
          consumer.defer(() => registered.splice(registered.indexOf(entry), 1))
        }
      })
    }
    const library = definePlugin({ name: 'library', provides: { book: Book }, start: () => ({ book }) })
    const author = definePlugin({ name: 'author', needs: { book: Book }, start: ({ book }) => book.write('once') })
    const kernel = kernelOf([author, library])
    await kernel.start()
    kernel.resolve(Book).write('upon')
    expect(registered).to.deep.equal(['author: once', 'application: upon'])
    await kernel.stop()
    expect(registered).to.deep.equal([])
  })
})
