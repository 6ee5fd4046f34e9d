import { expect } from 'chai'
import fc from 'fast-check'
import { once } from 'node:events'
import { createSocket } from 'node:dgram'
import { firstValueFrom } from 'rxjs'
import {
  createKernel,
  Datagrams,
  ofType,
  type DatagramClass,
  type DatagramSocket,
  type Kernel
} from '#src/kernel/index.js'
import { Address } from '#src/model/index.js'
import { udp, type UdpOptions } from '#src/plugins/udp/index.js'

const PROBE = Uint8Array.of(0x20, 1, 2)
const openSockets = (): number => process.getActiveResourcesInfo().filter((name) => name === 'UDPWrap').length

function next(socket: DatagramSocket, kind: DatagramClass = 'probe'): Promise<{ data: Uint8Array; from: Address }> {
  return new Promise((resolve) => {
    const stop = socket.receive(kind, (data, from) => {
      stop()
      resolve({ data, from })
    })
  })
}

describe('udp', () => {
  const kernels: Kernel[] = []
  let before: number

  async function start(options: UdpOptions = { host: '127.0.0.1' }): Promise<Datagrams> {
    const kernel = createKernel({ plugins: [udp.with(options)] })
    kernels.push(kernel)
    await kernel.start()
    return kernel.resolve(Datagrams)
  }

  const startFailure = (options: UdpOptions): Promise<Error> =>
    start(options).then(
      () => {
        throw new Error('started')
      },
      (error: unknown) => error as Error
    )

  beforeEach(() => {
    before = openSockets()
  })

  afterEach(async () => {
    for (const kernel of kernels.splice(0)) await kernel.stop()
    // The system's handle goes one turn after the socket's last event.
    for (let i = 0; i < 2; i++) await new Promise((resolve) => setImmediate(resolve))
    expect(openSockets(), 'sockets left open').to.equal(before)
  })

  it('says where it listens', async () => {
    const kernel = createKernel({ plugins: [udp.with({ host: '127.0.0.1' })] })
    kernels.push(kernel)
    const listening = firstValueFrom(kernel.events.pipe(ofType('node.listening')))
    await kernel.start()
    const { primary, addresses } = kernel.resolve(Datagrams)
    expect((await listening).addresses).to.deep.equal([primary.local])
    expect(addresses).to.deep.equal([primary.local])
    expect(primary.local.port).to.be.greaterThan(0)
  })

  it('hands each class of datagram to whoever takes it, and counts the rest as dropped', async () => {
    const a = await start()
    const b = await start()
    const seen: string[] = []
    b.primary.receive('stun', (data) => seen.push(`stun ${data[0]}`))
    const quic = next(b.primary, 'quic')
    for (const first of [0x00, 0x03, 0x04, 0x1f, 0x20, 0x3f]) a.primary.send(Uint8Array.of(first, 9), b.primary.local)
    a.primary.send(new Uint8Array(0), b.primary.local)
    a.primary.send(Uint8Array.of(0x40), b.primary.local)
    expect(await quic).to.deep.equal({ data: Buffer.of(0x40), from: a.primary.local })
    expect(seen).to.deep.equal(['stun 0', 'stun 3'])
    expect(b.primary.stats).to.include({ received: 8, receivedBytes: 13, dropped: 5 })
    expect(a.primary.stats).to.deep.equal({
      sent: 8,
      sentBytes: 13,
      received: 0,
      receivedBytes: 0,
      sendErrors: 0,
      dropped: 0
    })
  })

  it('refuses a second taker of a class until the first gives it back', async () => {
    const { primary } = await start()
    const giveBack = primary.receive('quic', () => undefined)
    expect(() => primary.receive('quic', () => undefined))
      .to.throw()
      .with.property('code', 'ERR_STATE')
    primary.receive('stun', () => undefined)
    giveBack()
    const taken = primary.receive('quic', () => undefined)
    giveBack()
    expect(() => primary.receive('quic', () => undefined))
      .to.throw()
      .with.property('code', 'ERR_STATE')
    taken()
    primary.receive('quic', () => undefined)
  })

  it('speaks IPv4 and IPv6 on one socket, with canonical addresses', async () => {
    const { primary } = await start({})
    const { port } = primary.local
    expect(primary.local.host).to.equal('::')
    expect([...primary.families]).to.have.members([4, 6])
    for (const host of ['127.0.0.1', '::1']) {
      const peer = (await start({ host })).primary
      const arrived = next(primary)
      peer.send(PROBE, { host, port })
      const { data, from } = await arrived
      expect(from).to.deep.equal(peer.local)
      expect(Object.isFrozen(from)).to.equal(true)
      const answered = next(peer)
      primary.send(data, from)
      expect(await answered).to.deep.equal({ data: Buffer.from(PROBE), from: { host, port } })
    }
    expect(primary.stats).to.include({ sent: 2, received: 2, sendErrors: 0 })
  })

  it('has the family of its host alone', async () => {
    const v4 = (await start({ host: '0.0.0.0' })).primary
    const v6 = (await start({ host: '::1' })).primary
    expect([...v4.families]).to.deep.equal([4])
    expect([...v6.families]).to.deep.equal([6])
    v4.send(PROBE, v6.local)
    v6.send(PROBE, { host: '127.0.0.1', port: v4.local.port })
    v6.send(PROBE, { host: '::ffff:127.0.0.1', port: v4.local.port })
    expect(v4.stats).to.include({ sent: 0, sendErrors: 1 })
    expect(v6.stats.sent).to.equal(0)
  })

  it('lists an address of each family when it listens everywhere', async () => {
    const { addresses, primary } = await start({})
    expect(addresses).to.deep.include({ host: '127.0.0.1', port: primary.local.port })
    expect(addresses).to.deep.include({ host: '::1', port: primary.local.port })
    expect(addresses.filter(({ host }) => /^fe80|%/.test(host))).to.deep.equal([])
  })

  it('says which port is taken, and what to do', async () => {
    const { port } = (await start()).primary.local
    const error = await startFailure({ host: '127.0.0.1', port })
    expect(error).to.have.property('code', 'ERR_START')
    expect(error.cause).to.have.property('code', 'ERR_SOCKET')
    expect((error.cause as Error).message).to.equal(
      `port ${port} is taken on 127.0.0.1; choose another or stop the program that holds it`
    )
  })

  it('says that a host is no address of this machine', async () => {
    const { cause } = await startFailure({ host: '198.51.100.1' })
    expect(cause).to.have.property('code', 'ERR_SOCKET')
    expect((cause as Error).message).to.include('198.51.100.1 is no address of this machine')
  })

  it('refuses a configuration that makes no sense', async () => {
    for (const options of [{ host: 'localhost' }, { port: -1 }, { port: 65536 }, { port: 1.5 }, { maxSockets: -1 }]) {
      expect(await startFailure(options)).to.have.property('code', 'ERR_CONFIG')
    }
  })

  it('never throws on send, whatever the destination, and counts each refusal', async () => {
    const { primary } = await start({})
    const { local } = (await start()).primary
    const hosts = fc.oneof(
      fc.constantFrom('', 'localhost', '256.1.1.1', '::ffff:1.2.3.4.5'),
      fc.string().map((text) => `x${text}`)
    )
    fc.assert(
      fc.property(hosts, fc.oneof(fc.integer(), fc.double()), (host, port) => {
        primary.send(PROBE, { host, port })
      })
    )
    primary.send(PROBE, { host: '127.0.0.1', port: 0 })
    primary.send(new Uint8Array(70_000), local)
    primary.send('text' as never as Uint8Array, { host: '127.0.0.1', port: 70_000 })
    // Refusals by the system are told in the next tick.
    await new Promise((resolve) => setImmediate(resolve))
    expect(primary.stats).to.include({ sent: 0, sendErrors: 103 })
  })

  it('counts sends after the end as errors', async () => {
    const datagrams = await start()
    const socket = await datagrams.open()
    await socket.close()
    socket.send(PROBE, datagrams.primary.local)
    expect(socket.stats).to.include({ sent: 0, sendErrors: 1 })
  })

  it('survives a receiver that throws', async () => {
    const errors: unknown[] = []
    const log = {
      debug: () => undefined,
      info: () => undefined,
      warn: () => undefined,
      error: (...e: unknown[]) => errors.push(e[1])
    }
    const kernel = createKernel({ plugins: [udp.with({ host: '127.0.0.1' })], log })
    kernels.push(kernel)
    await kernel.start()
    const { primary } = kernel.resolve(Datagrams)
    const fault = new Error('a bug')
    primary.receive('quic', () => {
      throw fault
    })
    const arrived = next(primary)
    primary.send(Uint8Array.of(0x40), primary.local)
    primary.send(PROBE, primary.local)
    await arrived
    expect(errors).to.deep.equal([fault])
  })

  it('opens throw-away sockets up to its limit', async () => {
    const datagrams = await start({ host: '127.0.0.1', maxSockets: 2 })
    const [first, second] = await Promise.all([datagrams.open(), datagrams.open({ host: '::1' })])
    expect(first.local).to.include({ host: '127.0.0.1' })
    expect(second.local).to.include({ host: '::1' })
    expect(datagrams.sockets).to.have.members([datagrams.primary, first, second])
    expect(datagrams.sockets[0]).to.equal(datagrams.primary)
    expect(await datagrams.open().catch((error: unknown) => error)).to.have.property('code', 'ERR_LIMIT')
    const { port } = first.local
    await first.close()
    await first.close()
    const again = await datagrams.open({ port })
    expect(again.local.port).to.equal(port)
    const arrived = next(again)
    datagrams.primary.send(PROBE, again.local)
    expect((await arrived).from).to.deep.equal(datagrams.primary.local)
  })

  it('does not count a socket that could not be opened against the limit', async () => {
    const datagrams = await start({ host: '127.0.0.1', maxSockets: 1 })
    for (const options of [
      { port: datagrams.primary.local.port },
      { port: 65_536 },
      { port: NaN },
      { host: 'localhost' },
      { host: '198.51.100.1' }
    ]) {
      expect(await datagrams.open(options).catch((error: unknown) => error)).to.have.property('code', 'ERR_SOCKET')
    }
    await datagrams.open()
  })

  it('leaves no socket when it stops while some are being opened', async () => {
    const datagrams = await start()
    const opening = Array.from({ length: 3 }, () => datagrams.open().catch((error: unknown) => error))
    await kernels[0]!.stop()
    for (const failure of await Promise.all(opening)) expect(failure).to.have.property('code', 'ERR_SOCKET')
    expect(await datagrams.open().catch((error: unknown) => error)).to.have.property('code', 'ERR_SOCKET')
  })

  it('takes datagrams of any size and content', async () => {
    const { primary } = await start()
    const sender = createSocket('udp4')
    try {
      let last: Promise<unknown> = Promise.resolve()
      for (const size of [0, 1, 1350, 9000, 65_507]) {
        last = next(primary, 'quic')
        sender.send(new Uint8Array(size).fill(0xff), primary.local.port, '127.0.0.1')
        if (size > 0) expect(((await last) as { data: Uint8Array }).data).to.have.length(size)
        else primary.send(Uint8Array.of(0x40), primary.local)
        await last
      }
    } finally {
      sender.close()
      await once(sender, 'close')
    }
  })

  it('lets every way carry what QUIC needs', async () => {
    const datagrams = await start()
    expect(datagrams.maxDatagram(Address.of('192.0.2.1', 4433))).to.be.within(1200, 1452)
    expect(datagrams.maxDatagram(Address.of('127.0.0.1', 4433))).to.be.within(9_000, 65_507)
  })
})
