import { once } from 'node:events'
import { createSocket } from 'node:dgram'
import { expect } from 'chai'
import { filter, firstValueFrom } from 'rxjs'
import { type Connection, type DatagramSocket, type PathChange } from '#src/kernel/index.js'
import { Address } from '#src/model/index.js'
import { paths } from '#src/plugins/paths/index.js'
import { readAll } from '#src/testkit/conformance/transport.js'
import { until } from '#src/testkit/conformance/until.js'
import { carrierPair } from './carriers.js'
import { Nat } from './nat.js'
import { startNode, type TestNode } from './nodes.js'

/** Moves within the time that a mocha test has. */
const keeper = paths.with({ timeoutMs: 1_000 })

function echo(connection: Connection): void {
  connection.onStream = (stream) => {
    void readAll(stream).then((bytes) => {
      stream.end(bytes)
    })
  }
}

async function call(connection: Connection, bytes = 100): Promise<void> {
  const stream = await connection.open()
  const sent = Buffer.alloc(bytes, 7)
  stream.end(sent)
  expect((await readAll(stream)).equals(sent)).to.equal(true)
}

const next = (connection: Connection, type: PathChange['type']): Promise<PathChange> =>
  firstValueFrom(connection.paths$.pipe(filter((change) => change.type === type)))

describe('the paths of a QUIC connection', () => {
  let a: TestNode
  let b: TestNode
  let out: Connection
  let inward: Connection

  const connect = async (remote = b.address): Promise<void> => {
    ;[out, inward] = await Promise.all([a.transport.dial(b.id, remote), b.accepted()])
    echo(inward)
    echo(out)
    await call(out)
  }

  beforeEach(async () => {
    ;[a, b] = await Promise.all([startNode({ further: [keeper] }), startNode({ further: [keeper] })])
  })
  afterEach(() => Promise.all([a.stop(), b.stop()]))

  async function carried(node: TestNode): Promise<DatagramSocket> {
    const socket = await node.datagrams.open()
    node.transport.carry(socket)
    return socket
  }

  it('are taken when the dialler wants it, streams and all', async () => {
    await connect()
    const stream = await out.open()
    const answer = new Promise<Buffer>((resolve) => (inward.onStream = (far) => void readAll(far).then(resolve)))
    stream.write(Buffer.from('begun here, '))
    const before = out.path
    const socket = await carried(a)
    const path = await out.probe(b.address, { via: socket })
    const followed = next(inward, 'moved')
    await out.migrate(path)
    expect(out.path).to.deep.equal({ local: socket.local, remote: b.address })
    expect(out.paths).to.deep.include.members([out.path, before])
    expect(await followed).to.deep.include({ by: 'peer', path: inward.path })
    expect(inward.remote).to.deep.equal(socket.local)
    stream.end(Buffer.from('ended there'))
    expect((await answer).toString()).to.equal('begun here, ended there')
    expect(out.stats().pathsLeft).to.equal(Infinity)
  })

  it('are taken when the other side wants it', async () => {
    await connect()
    const socket = await carried(b)
    const path = await inward.probe(a.address, { via: socket })
    await inward.migrate(path)
    expect(inward.path).to.deep.equal({ local: socket.local, remote: a.address })
    expect(out.remote).to.deep.equal(socket.local)
    await Promise.all([call(out), call(inward)])
  })

  it('lead over a carrier and back', async () => {
    await connect()
    const [near, far] = carrierPair()
    a.transport.carry(near)
    b.transport.carry(far)
    const direct = out.path
    for (let i = 0; i < 3; i++) {
      await out.migrate(await out.probe(far.local, { via: near }))
      await Promise.all([call(out, 100_000), call(inward, 100_000)])
      expect(inward.path).to.deep.equal({ local: far.local, remote: near.local })
      await out.migrate(direct)
      await Promise.all([call(out), call(inward)])
    }
  })

  it('are left when they die, and nothing under way is lost', async () => {
    await connect()
    const [near, far] = carrierPair()
    a.transport.carry(near)
    b.transport.carry(far)
    const direct = out.path
    await out.migrate(await out.probe(far.local, { via: near }))
    near.works = far.works = false
    // Each in packets of its own: all of them have to be sent again.
    const calls: Promise<void>[] = []
    for (let i = 0; i < 20; i++) {
      calls.push(call(out, 2_000), call(inward, 2_000))
      await new Promise((resolve) => setImmediate(resolve))
    }
    await Promise.all(calls)
    expect(out.path).to.deep.equal(direct)
    expect(inward.remote).to.deep.equal(a.address)
  })

  it('are left when their socket is let go', async () => {
    await connect()
    const socket = await a.datagrams.open()
    const letGo = a.transport.carry(socket)
    await out.migrate(await out.probe(b.address, { via: socket }))
    letGo()
    await Promise.all([next(out, 'moved'), socket.close()])
    expect(out.path.local).to.deep.equal(a.datagrams.primary.local)
    await Promise.all([call(out), call(inward)])
  })

  it('refuse what does not carry their datagrams', async () => {
    await connect()
    const [near] = carrierPair(1_300)
    a.transport.carry(near)
    const error = await out.probe(near.other.local, { via: near }).catch((error: unknown) => error)
    expect(error).to.have.property('code', 'ERR_PATH')
    expect(error).to.have.property('message').that.matches(/1300/)
  })

  describe('through a NAT', () => {
    let nat: Nat

    beforeEach(async () => {
      nat = await Nat.before(b.address)
    })
    afterEach(() => {
      nat.close()
    })

    it('follow the dialler when it gives it another port', async () => {
      await connect(nat.inside)
      for (let i = 0; i < 3; i++) {
        await nat.rebind()
        await Promise.all([call(out), call(inward)])
        expect(inward.remote).to.deep.equal(nat.outside)
      }
      expect(out.remote).to.deep.equal(nat.inside)
    })

    it('follow the other side, too', async () => {
      const theirs = await Nat.before(a.address)
      await connect()
      // The dialler knows it behind its NAT, which then forgets the mapping.
      const path = await inward.probe(theirs.inside)
      await inward.migrate(path)
      expect(out.remote).to.deep.equal(theirs.outside)
      await theirs.rebind()
      await Promise.all([call(inward), call(out)])
      expect(out.remote).to.deep.equal(theirs.outside)
      theirs.close()
    })
  })

  it('show no sign of life by copies of what came before', async () => {
    const nat = await Nat.before(b.address)
    let last: Uint8Array = new Uint8Array(0)
    nat.onDatagram = (data) => {
      last = data
      return true
    }
    await connect(nat.inside)
    const observer = await a.datagrams.open()
    const copy = async (): Promise<void> => {
      const { received } = b.datagrams.primary.stats
      observer.send(last, b.address)
      await until(() => b.datagrams.primary.stats.received > received)
      for (let turns = 0; turns < 3; turns++) await new Promise((resolve) => setImmediate(resolve))
    }
    // Nothing else comes any more, and once the first copy has come, all that came before has been dealt with.
    nat.onDatagram = () => false
    await copy()
    const { heardAt } = inward
    await copy()
    expect(inward.heardAt).to.equal(heardAt)
    nat.close()
  })

  it('do not lead to where copies of datagrams come from, however many places that is', async () => {
    const nat = await Nat.before(b.address)
    await connect(nat.inside)
    const observers = await Promise.all(
      Array.from({ length: 100 }, async () => {
        const socket = createSocket('udp4')
        socket.bind(0, '127.0.0.1')
        await once(socket, 'listening')
        return socket
      })
    )
    let copies = 0
    // The copy is there before the datagram.
    nat.onDatagram = (data) => {
      observers[copies++ % observers.length]?.send(data, b.address.port, b.address.host)
      return true
    }
    for (let i = 0; i < 300; i++) await call(out)
    expect(copies).to.be.at.least(300)
    expect(inward.remote).to.deep.equal(nat.outside)
    nat.onDatagram = undefined
    await nat.rebind()
    await call(out)
    expect(inward.remote).to.deep.equal(nat.outside)
    for (const socket of observers) socket.close()
    nat.close()
  })
})

describe('the paths of a QUIC connection where nobody keeps them', () => {
  it('follow the peer by the rules of QUIC', async () => {
    await using a = await startNode()
    await using b = await startNode()
    const nat = await Nat.before(b.address)
    const [out, inward] = await Promise.all([a.transport.dial(b.id, nat.inside), b.accepted()])
    echo(inward)
    await call(out)
    await nat.rebind()
    await call(out)
    await until(() => Address.equals(inward.remote, nat.outside))
    nat.close()
  })

  it('follow a peer that answers no probes, after a while', async () => {
    await using a = await startNode()
    await using b = await startNode({ further: [keeper] })
    const nat = await Nat.before(b.address)
    const [out, inward] = await Promise.all([a.transport.dial(b.id, nat.inside), b.accepted()])
    echo(inward)
    await call(out)
    await nat.rebind()
    await call(out)
    await until(() => Address.equals(inward.remote, nat.outside))
    nat.close()
  })
})
