import { expect } from 'chai'
import {
  createKernel,
  Datagrams,
  definePlugin,
  Identity,
  SelfContact,
  type DatagramSocket,
  type Kernel
} from '#src/kernel/index.js'
import { Address, NodeId, type Contact } from '#src/model/index.js'
import { selfContact, type SelfContactOptions } from '#src/plugins/self-contact/index.js'
import { VirtualClock } from '#src/testkit/index.js'

const nodeId = NodeId.fromBytes(new Uint8Array(32).fill(7))
const text = (contact: Contact): string[] => contact.addresses.map(Address.format)
const WILDCARD = ['203.0.113.5:7', '10.0.0.5:7', '127.0.0.1:7', '[::1]:7']

/** A socket whose addresses the test sets. */
interface Machine {
  local: string
  addresses: string[]
}

interface Started {
  readonly self: SelfContact
  readonly kernel: Kernel
  readonly clock: VirtualClock
  readonly machine: Machine
}

async function start(options: SelfContactOptions = {}, machine: Machine = { local: '[::]:7', addresses: WILDCARD }) {
  const clock = new VirtualClock()
  const foundations = definePlugin({
    name: 'foundations',
    provides: { identity: Identity, datagrams: Datagrams },
    start: () => ({
      identity: { nodeId } as Identity,
      datagrams: {
        primary: { local: Address.parse(machine.local) } as DatagramSocket,
        get addresses() {
          return machine.addresses.map(Address.parse)
        }
      } as unknown as Datagrams
    })
  })
  const kernel = createKernel({ plugins: [foundations, selfContact.with(options)], clock })
  await kernel.start()
  return { self: kernel.resolve(SelfContact), kernel, clock, machine } satisfies Started
}

describe('self-contact', () => {
  it('gives announced addresses, most recent first, then the socket’s own without loopback', async () => {
    const { self } = await start({ announce: ['seed.example:4433', '[2001:DB8::9]:4433'] })
    expect(self.contact.id).to.equal(nodeId)
    self.announce({ host: '198.51.100.1', port: 1 })
    self.announce({ host: '198.51.100.2', port: 2 })
    expect(text(self.contact)).to.deep.equal([
      '198.51.100.2:2',
      '198.51.100.1:1',
      'seed.example:4433',
      '[2001:db8::9]:4433',
      '203.0.113.5:7',
      '10.0.0.5:7'
    ])
  })

  it('gives loopback if there is nothing better', async () => {
    const loopback = ['127.0.0.1:7', '[::1]:7']
    const { self } = await start({}, { local: '[::]:7', addresses: loopback })
    expect(text(self.contact)).to.deep.equal(loopback)
    const takeBack = self.announce({ host: '198.51.100.1', port: 1 })
    expect(text(self.contact)).to.deep.equal(['198.51.100.1:1'])
    takeBack()
    expect(text(self.contact)).to.deep.equal(loopback)
  })

  it('gives loopback if the socket is bound to it', async () => {
    const { self } = await start({ announce: ['seed.example:1'] }, { local: '127.0.0.1:7', addresses: ['127.0.0.1:7'] })
    expect(text(self.contact)).to.deep.equal(['seed.example:1', '127.0.0.1:7'])
  })

  it('keeps an address that two announced until both take it back', async () => {
    const { self } = await start()
    const address = { host: '198.51.100.1', port: 1 }
    const [first, second] = [self.announce(address), self.announce(address)]
    first()
    first()
    expect(text(self.contact)).to.include('198.51.100.1:1')
    second()
    expect(text(self.contact)).to.not.include('198.51.100.1:1')
  })

  it('names an address once, at its best place', async () => {
    const { self } = await start({ announce: ['10.0.0.5:7', '[::ffff:10.0.0.5]:7'] })
    expect(text(self.contact)).to.deep.equal(['10.0.0.5:7', '203.0.113.5:7'])
  })

  it('holds no more addresses than a contact may have, the most recent ones', async () => {
    const { self } = await start()
    for (let port = 1; port <= 20; port++) self.announce({ host: '198.51.100.1', port })
    expect(self.contact.addresses).to.have.length(16)
    expect(text(self.contact)[0]).to.equal('198.51.100.1:20')
  })

  it('bounds what is announced', async () => {
    const { self } = await start()
    const takeBack = Array.from({ length: 64 }, (_, i) => self.announce({ host: '198.51.100.1', port: i + 1 }))
    const announceMore = () => self.announce({ host: '198.51.100.2', port: 1 })
    expect(announceMore).to.throw().with.property('code', 'ERR_LIMIT')
    takeBack[5]!()
    announceMore()
  })

  it('refuses to announce what nobody can dial', async () => {
    const { self } = await start()
    for (const address of [
      { host: '0.0.0.0', port: 1 },
      { host: '::', port: 1 },
      { host: '10.0.0.1', port: 0 },
      { host: 'fe80::1%eth0', port: 1 },
      { host: 'a b', port: 1 }
    ]) {
      expect(() => self.announce(address))
        .to.throw()
        .with.property('code', 'ERR_INVALID_INPUT')
    }
    expect(text(self.contact)).to.deep.equal(['203.0.113.5:7', '10.0.0.5:7'])
  })

  it('refuses a configuration that makes no sense, and says why', async () => {
    for (const announce of [['host'], ['::1:4433'], ['0.0.0.0:1'], ['host:0'], Array<string>(17).fill('host:1')]) {
      const error: unknown = await start({ announce }).catch((failure: unknown) => failure)
      expect(error).to.have.property('code', 'ERR_CONFIG')
      expect((error as Error).message).to.include('self-contact: announce')
    }
  })

  it('fails to start without any address', async () => {
    const error: unknown = await start({}, { local: '[::]:7', addresses: [] }).catch((failure: unknown) => failure)
    expect((error as Error).cause).to.have.property('code', 'ERR_STATE')
  })

  describe('contact$', () => {
    it('gives the present contact, then each change, and completes at stop', async () => {
      const { self, kernel } = await start()
      const seen: (string[] | 'complete')[] = []
      const subscribe = () =>
        self.contact$.subscribe({ next: (contact) => seen.push(text(contact)), complete: () => seen.push('complete') })
      subscribe()
      const takeBack = self.announce({ host: '198.51.100.1', port: 1 })
      self.announce({ host: '203.0.113.5', port: 7 })
      takeBack()
      expect(seen).to.deep.equal([
        ['203.0.113.5:7', '10.0.0.5:7'],
        ['198.51.100.1:1', '203.0.113.5:7', '10.0.0.5:7'],
        ['203.0.113.5:7', '198.51.100.1:1', '10.0.0.5:7'],
        ['203.0.113.5:7', '10.0.0.5:7']
      ])
      seen.length = 0
      subscribe().unsubscribe()
      expect(seen).to.deep.equal([['203.0.113.5:7', '10.0.0.5:7']])
      await kernel.stop()
      expect(seen.slice(1)).to.deep.equal(['complete'])
    })

    it('notices changed interfaces while anyone is subscribed', async () => {
      const { self, clock, machine, kernel } = await start()
      expect(clock.pending).to.equal(0)
      const seen: string[][] = []
      const subscription = self.contact$.subscribe((contact) => seen.push(text(contact)))
      await clock.advance(20_000)
      expect(seen).to.have.length(1)
      machine.addresses = ['10.0.0.6:7']
      await clock.advance(10_000)
      expect(seen.slice(1)).to.deep.equal([['10.0.0.6:7']])
      machine.addresses = []
      await clock.advance(10_000)
      expect(seen).to.have.length(2)
      subscription.unsubscribe()
      await clock.advance(10_000)
      expect(clock.pending).to.equal(0)
      self.contact$.subscribe()
      expect(clock.pending).to.equal(1)
      await kernel.stop()
      expect(clock.pending).to.equal(0)
    })

    it('tells of a change that a reader of the contact noticed first', async () => {
      const { self, machine } = await start()
      const seen: string[][] = []
      self.contact$.subscribe((contact) => seen.push(text(contact)))
      machine.addresses = ['10.0.0.6:7']
      expect(text(self.contact)).to.deep.equal(['10.0.0.6:7'])
      expect(seen).to.have.length(2)
    })

    it('does not keep virtual time going', async () => {
      const { self, clock } = await start()
      self.contact$.subscribe()
      const stuck: unknown = await clock.until(new Promise(() => undefined)).catch((error: unknown) => error)
      expect(stuck).to.be.instanceOf(Error)
    })
  })

  it('completes at once for whoever subscribes after the stop, and sets no timer', async () => {
    const { self, kernel, clock } = await start()
    await kernel.stop()
    let completed = false
    self.contact$.subscribe({ complete: () => (completed = true) })
    self.announce({ host: '198.51.100.1', port: 1 })
    expect(completed).to.equal(true)
    expect(clock.pending).to.equal(0)
  })
})
