import { expect } from 'chai'
import { type Connection } from '#src/kernel/index.js'
import { readAll } from '#src/testkit/conformance/transport.js'
import { MAX_CARRIED } from '#src/plugins/quic-transport/carried-sockets.js'
import { Carrier, carrierPair } from './carriers.js'
import { startNode, type TestNode } from './nodes.js'

async function echoes(connection: Connection, bytes = 10): Promise<void> {
  const stream = await connection.open()
  stream.end(Buffer.alloc(bytes, 7))
  expect((await readAll(stream)).length).to.equal(bytes)
}

function echo(connection: Connection): void {
  connection.onStream = (stream) => {
    void readAll(stream).then((bytes) => {
      stream.end(bytes)
    })
  }
}

async function rejects(code: string, promise: Promise<unknown>): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (error: unknown) => error
  )
  expect(error).to.have.property('code', code)
}

describe('QUIC over further sockets', () => {
  let a: TestNode
  let b: TestNode

  beforeEach(async () => {
    ;[a, b] = await Promise.all([startNode(), startNode()])
  })
  afterEach(() => Promise.all([a.stop(), b.stop()]))

  it('dials from one that is carried, and is answered there', async () => {
    const socket = await a.datagrams.open()
    a.transport.carry(socket)
    const [out, inward] = await Promise.all([a.transport.dial(b.id, b.address, { via: socket }), b.accepted()])
    echo(inward)
    await echoes(out)
    expect(inward.remote).to.deep.equal(socket.local)
    expect(out.path).to.deep.equal({ local: socket.local, remote: b.address })
    expect(out.paths).to.deep.equal([out.path])
  })

  it('accepts on one that is carried, and answers from there', async () => {
    const socket = await b.datagrams.open()
    b.transport.carry(socket)
    const [out, inward] = await Promise.all([a.transport.dial(b.id, socket.local), b.accepted()])
    echo(inward)
    await echoes(out)
    expect(inward.path).to.deep.equal({ local: socket.local, remote: a.address })
  })

  it('refuses to dial from one that is not', async () => {
    const socket = await a.datagrams.open()
    await rejects('ERR_DIAL', a.transport.dial(b.id, b.address, { via: socket }))
    const letGo = a.transport.carry(socket)
    letGo()
    letGo()
    await rejects('ERR_DIAL', a.transport.dial(b.id, b.address, { via: socket }))
  })

  it('carries none twice, and again once it was let go', async () => {
    const socket = await a.datagrams.open()
    const letGo = a.transport.carry(socket)
    for (const taken of [socket, a.datagrams.primary]) {
      expect(() => a.transport.carry(taken))
        .to.throw()
        .with.property('code', 'ERR_STATE')
    }
    letGo()
    a.transport.carry(socket)
  })

  it('carries a limited number', () => {
    const carriers = Array.from({ length: MAX_CARRIED }, (_, i) => new Carrier({ host: 'fd00::1', port: i + 1 }, 1_350))
    const letGo = carriers.map((carrier) => a.transport.carry(carrier))
    const further = new Carrier({ host: 'fd00::2', port: 1 }, 1_350)
    expect(() => a.transport.carry(further))
      .to.throw()
      .with.property('code', 'ERR_LIMIT')
    letGo[0]?.()
    a.transport.carry(further)
  })

  it('holds to the datagrams that a carrier takes', async () => {
    const [near, far] = carrierPair(1_300)
    a.transport.carry(near)
    b.transport.carry(far)
    const [out, inward] = await Promise.all([a.transport.dial(b.id, far.local, { via: near }), b.accepted()])
    echo(inward)
    await echoes(out, 20_000)
    expect(near.largest).to.be.within(1_200, 1_300)
    expect(far.largest).to.be.within(1_200, 1_300)
  })

  it('cannot probe or move where nobody keeps paths', async () => {
    const [out] = await Promise.all([a.transport.dial(b.id, b.address), b.accepted()])
    await rejects('ERR_PATH', out.probe(b.address))
    await rejects('ERR_PATH', out.migrate(out.path))
    expect(out.stats().pathsLeft).to.equal(63)
  })
})
