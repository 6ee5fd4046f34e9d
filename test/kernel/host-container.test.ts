import { expect } from 'chai'
import { container as root, injectable } from 'tsyringe'
import {
  definePlugin,
  forPlugin,
  multiToken,
  plugin,
  token,
  use,
  type Consumer,
  type Plugin
} from '#src/kernel/index.js'
import { kernelOf, probe, rejection, scripted } from './helpers.js'

const wanting = (seen: unknown[]): Plugin =>
  definePlugin({ name: 'wanting', needs: { base: probe('base') }, start: ({ base }) => void seen.push(base.name) })

describe('a kernel embedded in an application with a container of its own', () => {
  it('injects contracts that the host has registered', async () => {
    const host = root.createChildContainer()
    host.register(probe('base'), { useFactory: () => ({ name: 'of the host' }) })
    const seen: unknown[] = []
    @plugin({ name: 'class' })
    class Wanting {
      constructor(@use(probe('base')) base: { name: string }) {
        seen.push(base.name)
      }

      start(): void {
        return undefined
      }
    }
    const kernel = kernelOf([wanting(seen), Wanting], { container: host })
    await kernel.start()
    expect(seen).to.deep.equal(['of the host', 'of the host'])
    expect(kernel.resolve(probe('base')).name).to.equal('of the host')
    expect(kernel.describe().plugins[0]?.uses[0]?.providers).to.deep.equal(['host'])
    await kernel.stop()
    expect(host.resolve<{ name: string }>(probe('base')).name).to.equal('of the host')
  })

  it('prefers a plugin to the host, which a replacement may add', async () => {
    const host = root.createChildContainer()
    host.registerInstance(probe('base'), { name: 'of the host' })
    const seen: unknown[] = []
    const kernel = kernelOf([scripted('base', []), wanting(seen)], { container: host })
    await kernel.start()
    await kernel.stop()
    const empty = definePlugin({ name: 'base', start: () => undefined })
    await kernel.replace(empty)
    await kernel.start()
    await kernel.replace(scripted('base', []))
    expect(seen).to.deep.equal(['base', 'of the host', 'base'])
    await kernel.stop()
  })

  it('adds up the providers of a contract that may have many', async () => {
    const Part = multiToken<string>('test/Part')
    const host = root.createChildContainer()
    host.registerInstance(Part, 'first').registerInstance(Part, 'second')
    const own = definePlugin({ name: 'own', provides: { part: Part }, start: () => ({ part: 'own' }) })
    const kernel = kernelOf([own], { container: host })
    await kernel.start()
    expect(kernel.resolve(Part)).to.deep.equal(['own', 'first', 'second'])
    await kernel.stop()
  })

  it('lets the application build its own classes on contracts, from a child of its container', async () => {
    const host = root.createChildContainer()
    const Config = Symbol('config')
    host.registerInstance(Config, 'settings')
    const kernel = kernelOf([scripted('base', [])], { container: host })
    await kernel.start()
    @injectable()
    class Service {
      readonly name = 'service'
    }
    expect(kernel.container.resolve<string>(Config)).to.equal('settings')
    expect(kernel.container.resolve<{ name: string }>(probe('base')).name).to.equal('base')
    expect(kernel.container.resolve(Service).name).to.equal('service')
    expect(host.isRegistered(probe('base'))).to.equal(false)
    await kernel.stop()
    expect(() => kernel.container.resolve(probe('base'))).to.throw('the kernel is idle')
  })

  it('takes back what the application registered with a contract of the host, when the kernel stops', async () => {
    const host = root.createChildContainer()
    const log: string[] = []
    const viewOf = ({ name, defer }: Consumer): { name: string } => {
      defer(() => log.push(`${name} is gone`))
      return { name: `for ${name}` }
    }
    host.registerInstance(probe('base'), { name: 'of the host', [forPlugin]: viewOf })
    const kernel = kernelOf([wanting(log)], { container: host })
    await kernel.start()
    log.push(kernel.resolve(probe('base')).name)
    await kernel.stop()
    expect(log).to.deep.equal(['for wanting', 'for application', 'application is gone', 'wanting is gone'])
  })

  it('resolves another provider after a replacement, also where nothing of the former one stopped', async () => {
    const host = root.createChildContainer()
    host.registerInstance(probe('base'), { name: 'of the host' })
    const without = definePlugin({ name: 'base', start: () => undefined })
    const seen: unknown[] = []
    const kernel = kernelOf([without], { container: host })
    kernel.watch(probe('base')).subscribe((base) => seen.push(base?.name))
    await kernel.start()
    await kernel.replace(scripted('base', []))
    expect(kernel.resolve(probe('base')).name).to.equal('base')
    await kernel.replace(without)
    expect(kernel.resolve(probe('base')).name).to.equal('of the host')
    expect(seen.filter((name) => name !== undefined)).to.deep.equal(['of the host', 'base', 'of the host'])
    await kernel.stop()
  })

  it('keeps its container up to date for whoever holds it', async () => {
    const kernel = kernelOf([definePlugin({ name: 'base', start: () => undefined })])
    const { container } = kernel
    await kernel.start()
    await kernel.replace(scripted('base', []))
    expect(container.resolve<{ name: string }>(probe('base')).name).to.equal('base')
    await kernel.stop()
  })

  it('fails the plugin by name when the host cannot build what it registered', async () => {
    const host = root.createChildContainer()
    host.register(probe('base'), {
      useFactory: () => {
        throw new Error('no database')
      }
    })
    const error = await rejection(kernelOf([wanting([])], { container: host }).start())
    expect(error).to.have.property('code', 'ERR_START')
    expect(error.message).to.contain('plugin wanting failed to start').and.to.contain('no database')
  })

  it('refuses a promise of what the host should have registered', async () => {
    const host = root.createChildContainer()
    host.register(probe('base'), { useFactory: () => Promise.resolve({ name: 'too late' }) })
    const error = await rejection(kernelOf([wanting([])], { container: host }).start())
    expect(error).to.have.property('code', 'ERR_START')
    expect(error.message).to.contain('wanting').and.to.contain('a promise as test/base@1')
  })

  it('outlives the container of the host', async () => {
    const host = root.createChildContainer()
    host.registerInstance(probe('base'), { name: 'of the host' })
    const kernel = kernelOf([wanting([])], { container: host })
    await kernel.start()
    await host.dispose()
    expect(kernel.describe().plugins[0]?.state).to.equal('started')
    await kernel.stop()
    expect(await rejection(kernel.start())).to.have.property('code', 'ERR_GRAPH')
  })

  it('refuses a contract that neither the host nor a plugin provides', async () => {
    const host = root.createChildContainer()
    host.registerInstance(token('test/Other'), {})
    const error = await rejection(kernelOf([wanting([])], { container: host }).start())
    expect(error.message).to.contain('wanting needs test/base@1')
  })
})
