import { expect } from 'chai'
import {
  CloseCode,
  ConnectionPool,
  createKernel,
  Datagrams,
  Identity,
  readChunk,
  Transport,
  type Connection,
  type Kernel
} from '#src/kernel/index.js'
import { Contact } from '#src/model/index.js'
import { connectionPool } from '#src/plugins/connection-pool/index.js'
import { identity } from '#src/plugins/identity/index.js'
import { quicTransport } from '#src/plugins/quic-transport/index.js'
import { udp } from '#src/plugins/udp/index.js'

const NODES = 6
const STREAMS = 20

async function startNode() {
  const kernel = createKernel({ plugins: [identity, udp.with({ host: '127.0.0.1' }), quicTransport, connectionPool] })
  await kernel.start()
  const pool = kernel.resolve(ConnectionPool)
  const ended: Promise<{ code: number }>[] = []
  pool.onConnection((connection) => {
    ended.push(connection.closed)
    connection.onStream = (stream) => {
      void readChunk(stream).then(
        (chunk) => {
          stream.end(chunk ?? undefined)
        },
        () => undefined
      )
    }
  })
  const contact = Contact.of(kernel.resolve(Identity).nodeId, [kernel.resolve(Datagrams).primary.local])
  return { kernel, pool, contact, ended }
}

async function echo(connection: Connection, text: string): Promise<string> {
  const stream = await connection.open()
  stream.end(Buffer.from(text))
  return Buffer.from((await readChunk(stream)) ?? []).toString()
}

function connectionsOf(kernel: Kernel): number {
  return kernel.resolve(Transport).stats().connections
}

describe('nodes that all dial each other at once over QUIC', function () {
  this.timeout(30_000)

  it('answer everything that is asked meanwhile, and are left with one connection a pair', async () => {
    const nodes = await Promise.all(Array.from({ length: NODES }, startNode))
    try {
      const pairs = nodes.flatMap((from) => nodes.filter((to) => to !== from).map((to) => [from, to] as const))
      expect(pairs.length).to.be.above(20)
      const answers = await Promise.all(
        pairs.map(async ([from, to]) => {
          const connection = await from.pool.dial(to.contact)
          const texts = Array.from({ length: STREAMS }, (_, n) => `${from.contact.id} ${n}`)
          const heard = await Promise.all(texts.map((text) => echo(connection, text)))
          return heard.join() === texts.join()
        })
      )
      expect(answers).to.deep.equal(pairs.map(() => true))
      // Losers are drained: that is over when each node has as many connections as there are others.
      let wake = (): void => undefined
      for (const closed of nodes.flatMap(({ ended }) => ended)) {
        void closed.then(() => {
          wake()
        })
      }
      while (nodes.some(({ kernel }) => connectionsOf(kernel) > NODES - 1)) {
        await new Promise<void>((resolve) => (wake = resolve))
      }
      for (const [from, to] of pairs) {
        const connection = from.pool.get(to.contact.id)!
        const theirs = to.pool.get(from.contact.id)!
        const outbound = from.contact.id < to.contact.id
        expect([connection.direction, theirs.direction]).to.deep.equal(
          outbound ? ['outbound', 'inbound'] : ['inbound', 'outbound']
        )
        expect(await echo(connection, 'still there')).to.equal('still there')
      }
      for (const { kernel } of nodes) expect(connectionsOf(kernel)).to.equal(NODES - 1)
    } finally {
      await Promise.all(nodes.map(({ kernel }) => kernel.stop()))
    }
    const codes = (await Promise.all(nodes.flatMap(({ ended }) => ended))).map(({ code }) => code)
    expect(codes.filter((code) => code !== CloseCode.DUPLICATE && code !== CloseCode.SHUTDOWN)).to.deep.equal([])
  })
})
