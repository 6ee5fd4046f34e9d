import { expect } from 'chai'
import type { RemoteInfo, Socket } from 'node:dgram'
import { EventEmitter } from 'node:events'
import type { Address } from '#src/model/index.js'
import { UdpSocket } from '#src/plugins/udp/socket.js'

const PROBE = Uint8Array.of(0x20)
const owner = { onFault: () => undefined, onClose: () => undefined }

/** A socket whose network is the test. */
class FakeSocket extends EventEmitter {
  readonly sent: { host: string; done: (error: Error | null, bytes: number) => void }[] = []

  send(_data: Uint8Array, _port: number, host: string, done: (error: Error | null, bytes: number) => void): void {
    this.sent.push({ host, done })
  }

  arrive(address: string, port: number): void {
    this.emit('message', Buffer.from(PROBE), { address, port, family: 'IPv6', size: 1 } satisfies RemoteInfo)
  }
}

function make(): { fake: FakeSocket; socket: UdpSocket } {
  const fake = new FakeSocket()
  const local = { host: '::', port: 1 }
  return { fake, socket: new UdpSocket(fake as unknown as Socket, local, new Set([4, 6]), owner) }
}

describe('udp socket', () => {
  it('drops what comes from port 0', () => {
    const { fake, socket } = make()
    socket.receive('probe', () => expect.fail('was handed over'))
    fake.arrive('::1', 0)
    expect(socket.stats).to.include({ received: 1, dropped: 1 })
  })

  it('makes one address for all datagrams of a source', () => {
    const { fake, socket } = make()
    const seen: Address[] = []
    socket.receive('probe', (_, from) => seen.push(from))
    for (const host of ['::ffff:10.0.0.1', '::ffff:10.0.0.1', 'fe80::1%eth0', '2001:DB8:0::1']) fake.arrive(host, 5)
    fake.arrive('::ffff:10.0.0.1', 6)
    expect(seen[1]).to.equal(seen[0])
    expect(seen.map(({ host, port }) => `${host} ${port}`)).to.deep.equal([
      '10.0.0.1 5',
      '10.0.0.1 5',
      'fe80::1%eth0 5',
      '2001:db8::1 5',
      '10.0.0.1 6'
    ])
  })

  it('forgets old sources when too many turn up', () => {
    const { fake, socket } = make()
    const first: Address[] = []
    let last: Address | undefined
    socket.receive('probe', (_, from) => {
      last = from
      if (from.port === 1) first.push(from)
    })
    for (let port = 1; port <= 5000; port++) fake.arrive('10.0.0.1', port)
    expect(last).to.deep.equal({ host: '10.0.0.1', port: 5000 })
    fake.arrive('10.0.0.1', 1)
    expect(first[1]).to.deep.equal(first[0])
    expect(first[1]).to.not.equal(first[0])
  })

  it('maps IPv4 destinations for a dual-stack socket', () => {
    const { fake, socket } = make()
    for (const host of ['10.0.0.1', '::1']) socket.send(PROBE, { host, port: 5 })
    expect(fake.sent.map(({ host }) => host)).to.deep.equal(['::ffff:10.0.0.1', '::1'])
  })

  it('counts a send when the system has taken or refused it', () => {
    const { fake, socket } = make()
    for (let i = 0; i < 3; i++) socket.send(PROBE, { host: '::1', port: 5 })
    fake.sent[0]!.done(null, 1)
    fake.sent[1]!.done(new Error('ENETUNREACH'), 0)
    expect(socket.stats).to.include({ sent: 1, sentBytes: 1, sendErrors: 1 })
  })

  it('loses what does not fit the queue of a system that takes nothing, until it does again', () => {
    const { fake, socket } = make()
    for (let i = 0; i < 10_000; i++) socket.send(PROBE, { host: '::1', port: 5 })
    const waiting = fake.sent.length
    expect(waiting).to.be.lessThan(10_000)
    expect(socket.stats.sendErrors).to.equal(10_000 - waiting)
    fake.sent[0]!.done(null, 1)
    socket.send(PROBE, { host: '::1', port: 5 })
    expect(fake.sent).to.have.length(waiting + 1)
  })

  it('counts what the system reports by itself', () => {
    const { fake, socket } = make()
    fake.emit('error', new Error('ECONNRESET'))
    expect(socket.stats.sendErrors).to.equal(1)
  })
})
