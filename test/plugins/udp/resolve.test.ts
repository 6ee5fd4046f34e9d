import { expect } from 'chai'
import { Resolver, type LookUp } from '#src/plugins/udp/resolve.js'
import { VirtualClock } from '#src/testkit/index.js'

const answer =
  (...addresses: string[]): LookUp =>
  () =>
    Promise.resolve(addresses.map((address) => ({ address })))

const resolve = (host: string, lookUp: LookUp): Promise<unknown> =>
  new Resolver(new VirtualClock(), lookUp).resolve(host).catch((error: unknown) => error)

const never: LookUp = () => new Promise(() => undefined)

/** Names that were looked up although they should not have been. */
const lookedUp: string[] = []
const noLookUp: LookUp = (host) => {
  lookedUp.push(host)
  return answer('10.9.9.9')(host)
}

describe('resolving', () => {
  afterEach(() => {
    expect(lookedUp.splice(0)).to.deep.equal([])
  })

  it('gives an IP address as it is, in canonical form', async () => {
    expect(await resolve('10.0.0.1', noLookUp)).to.deep.equal(['10.0.0.1'])
    expect(await resolve('2001:DB8:0::1', noLookUp)).to.deep.equal(['2001:db8::1'])
    expect(await resolve('::ffff:10.0.0.1', noLookUp)).to.deep.equal(['10.0.0.1'])
  })

  it('gives every address of a name once, in their order', async () => {
    const found = await resolve('Seed.Example', answer('2001:db8::1', '10.0.0.1', '::ffff:10.0.0.1', 'nonsense'))
    expect(found).to.deep.equal(['2001:db8::1', '10.0.0.1'])
  })

  it('gives at most eight', async () => {
    const many = Array.from({ length: 100 }, (_, i) => `10.0.0.${i}`)
    expect(await resolve('seed.example', answer(...many))).to.deep.equal(many.slice(0, 8))
  })

  it('knows this machine by name', async () => {
    const found = await new Resolver(new VirtualClock()).resolve('localhost')
    expect(found).to.satisfy((hosts: string[]) => hosts.includes('127.0.0.1') || hosts.includes('::1'))
  })

  it('rejects with ERR_RESOLVE when there is no answer, or no name', async () => {
    const cause = new Error('ENOTFOUND')
    const error = await resolve('seed.example', () => Promise.reject(cause))
    expect(error).to.include({ code: 'ERR_RESOLVE', cause })
    expect(await resolve('seed.example', answer())).to.have.property('code', 'ERR_RESOLVE')
    for (const host of ['', ' ', 'a b', '1.2.3', 'x'.repeat(300), '-a']) {
      expect(await resolve(host, noLookUp), host).to.have.property('code', 'ERR_RESOLVE')
    }
  })

  it('holds virtual time for the answer', async () => {
    const clock = new VirtualClock()
    const lookUp: LookUp = () => new Promise((done) => setTimeout(done, 5, [{ address: '10.0.0.1' }]))
    expect(await clock.until(new Resolver(clock, lookUp).resolve('seed.example'))).to.deep.equal(['10.0.0.1'])
    expect(clock.monotonic()).to.equal(0)
    expect(clock.pending).to.equal(0)
  })

  it('ends with the signal of its caller', async () => {
    const clock = new VirtualClock()
    const controller = new AbortController()
    const resolving = new Resolver(clock, never).resolve('seed.example', { signal: controller.signal })
    controller.abort()
    expect(await resolving.catch((error: unknown) => error)).to.have.property('code', 'ERR_ABORTED')
    const looked = new Resolver(clock, noLookUp).resolve('seed.example', { signal: controller.signal })
    expect(await looked.catch((error: unknown) => error)).to.have.property('code', 'ERR_ABORTED')
    expect(clock.pending).to.equal(0)
  })

  it('gives up after ten seconds', async () => {
    // On this clock nothing is held, so that time can pass although the system never answers.
    const clock = new VirtualClock()
    const unheld = Object.assign(Object.create(clock) as VirtualClock, { hold: () => () => undefined })
    for (const key of ['now', 'monotonic', 'setTimeout'] as const) {
      Object.assign(unheld, { [key]: (clock[key] as (...a: unknown[]) => unknown).bind(clock) })
    }
    const resolving = new Resolver(unheld, never).resolve('seed.example').catch((error: unknown) => error)
    expect(await clock.until(resolving)).to.have.property('code', 'ERR_RESOLVE')
    expect(clock.monotonic()).to.equal(10_000)
  })

  it('resolves a bounded number of names at once', async () => {
    const resolver = new Resolver(new VirtualClock(), never)
    for (let i = 0; i < 64; i++) void resolver.resolve(`seed${i}.example`).catch(() => undefined)
    const error: unknown = await resolver.resolve('last.example').catch((failure: unknown) => failure)
    expect(error).to.have.property('code', 'ERR_RESOLVE')
  })
})
