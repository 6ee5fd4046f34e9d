import { expect } from 'chai'
import {
  definePlugin,
  forPlugin,
  multiToken,
  plugin,
  token,
  use,
  useOptional,
  type Consumer,
  type Plugin
} from '#src/kernel/index.js'
import { kernelOf, rejection } from './helpers.js'

interface Validator {
  readonly name: string
}
const Validator = multiToken<Validator>('test/Validator')

const validator = (name: string): Plugin =>
  definePlugin({ name, provides: { validator: Validator }, start: () => ({ validator: { name } }) })

const needing = (seen: string[][]): Plugin =>
  definePlugin({
    name: 'checker',
    needs: { validators: Validator },
    start: ({ validators }) => void seen.push(validators.map(({ name }) => name))
  })

describe('a contract with any number of providers', () => {
  it('gives a consumer all of them, in the order of the plugins, once all have started', async () => {
    const seen: string[][] = []
    const slow = definePlugin({
      name: 'slow',
      provides: { validator: Validator },
      async start() {
        await new Promise((resolve) => setImmediate(resolve))
        return { validator: { name: 'slow' } }
      }
    })
    const kernel = kernelOf([needing(seen), slow, validator('quick')])
    await kernel.start()
    expect(seen).to.deep.equal([['slow', 'quick']])
    expect(kernel.resolve(Validator).map(({ name }) => name)).to.deep.equal(['slow', 'quick'])
    expect(kernel.container.resolve<readonly Validator[]>(Validator)).to.have.length(2)
    await kernel.stop()
  })

  it('is missing to those who need one, and empty to those who wish for some', async () => {
    expect((await rejection(kernelOf([needing([])]).start())).message).to.contain(
      'checker needs test/Validator[]@1, which no plugin provides'
    )
    const seen: unknown[] = []
    const wishing = definePlugin({
      name: 'wishing',
      optional: { validators: Validator },
      start: ({ validators }) => void seen.push(validators)
    })
    @plugin({ name: 'class' })
    class Wishing {
      constructor(@useOptional(Validator) readonly validators: readonly Validator[]) {
        seen.push(validators)
      }

      start(): void {
        return undefined
      }
    }
    const kernel = kernelOf([wishing, Wishing])
    await kernel.start()
    expect(seen).to.deep.equal([[], []])
    expect(kernel.resolve(Validator)).to.deep.equal([])
    await kernel.stop()
  })

  it('is injected into class plugins', async () => {
    const seen: string[] = []
    @plugin({ name: 'class' })
    class Checker {
      constructor(@use(Validator) private readonly validators: readonly Validator[]) {}

      start(): void {
        seen.push(...this.validators.map(({ name }) => name))
      }
    }
    const kernel = kernelOf([Checker, validator('a'), validator('b')])
    await kernel.start()
    expect(seen).to.deep.equal(['a', 'b'])
    await kernel.stop()
  })

  it('hands out a view of each that belongs to the consumer', async () => {
    const known = definePlugin({
      name: 'known',
      provides: { validator: Validator },
      start: () => ({
        validator: { name: 'shared', [forPlugin]: (consumer: Consumer) => ({ name: `for ${consumer.name}` }) }
      })
    })
    const seen: string[][] = []
    const kernel = kernelOf([known, validator('plain'), needing(seen)])
    await kernel.start()
    expect(seen).to.deep.equal([['for checker', 'plain']])
    expect(kernel.resolve(Validator)[0]?.name).to.equal('for application')
    await kernel.stop()
  })

  it('restarts its consumers when one of many is replaced, and none of the others', async () => {
    const seen: string[][] = []
    let starts = 0
    const other = definePlugin({
      name: 'other',
      provides: { validator: Validator },
      start: () => ({ validator: { name: `other ${++starts}` } })
    })
    const kernel = kernelOf([other, validator('a'), needing(seen)])
    await kernel.start()
    await kernel.replace(validator('a'))
    expect(seen).to.deep.equal([
      ['other 1', 'a'],
      ['other 1', 'a']
    ])
    // To share a contract with others is no reason to take their place.
    expect(await rejection(kernel.replace(validator('b')))).to.have.property('code', 'ERR_GRAPH')
    await kernel.stop()
  })

  it('is resolved anew when a replacement adds a provider to it', async () => {
    const kernel = kernelOf([validator('a'), definePlugin({ name: 'b', start: () => undefined })])
    const names = (): string[] => kernel.resolve(Validator).map(({ name }) => name)
    await kernel.start()
    expect(names()).to.deep.equal(['a'])
    await kernel.replace(validator('b'))
    expect(names()).to.deep.equal(['a', 'b'])
    await kernel.stop()
  })

  it('is provided once by each plugin, which is refused otherwise', () => {
    const twice = { name: 'twice', provides: { one: Validator, other: Validator }, start: () => undefined as never }
    expect(() => definePlugin(twice))
      .to.throw('plugin twice provides test/Validator[]@1 twice')
      .with.property('code', 'ERR_PLUGIN')
  })

  it('is another contract than one of that name with a single provider', async () => {
    const single = definePlugin({
      name: 'single',
      provides: { validator: token<Validator>('test/Validator') },
      start: () => ({ validator: { name: 'single' } })
    })
    expect((await rejection(kernelOf([single, needing([])]).start())).message).to.contain(
      'checker needs test/Validator[]@1, but single provides test/Validator@1'
    )
  })
})
