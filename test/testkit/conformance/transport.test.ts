import { expect } from 'chai'
import {
  createKernel,
  Datagrams,
  PeerloomError,
  type Connection,
  type Stream,
  type Transport
} from '#src/kernel/index.js'
import { MemoryNetwork, memoryNetwork } from '#src/plugins/memory-network/index.js'
import {
  datagramsConformance,
  transportConformance,
  type DatagramsPair,
  type TransportEnd,
  type TransportPair
} from '#src/testkit/index.js'
import { testIdentity } from '../../plugins/memory-transport/identities.js'
import { startNode } from '../../plugins/memory-transport/nodes.js'
import { altered } from './altered.js'
import { failureOf, testsOf } from './collect.js'

const MAX_STREAMS = 16

const brokenDatagrams: Readonly<Record<string, (datagrams: Datagrams) => Partial<Datagrams>>> = {
  'delivers after the call of send, and hands the receiver bytes of its own': ({ primary }) => {
    let handler: ((data: Uint8Array) => void) | undefined
    return {
      primary: altered(primary, {
        receive: (_kind, taker) => {
          handler = (data) => {
            taker(data, primary.local, primary)
          }
          return () => undefined
        },
        send: (data) => handler?.(data)
      })
    }
  },
  'has one taker for each class, until it lets go': ({ primary }) => ({
    primary: altered(primary, {
      receive: (kind, handler) => {
        try {
          return primary.receive(kind, handler)
        } catch {
          return () => undefined
        }
      }
    })
  }),
  'carries a datagram as large as it says': () => ({ maxDatagram: () => 1_199 }),
  'refuses a port that is taken with ERR_SOCKET': (datagrams) => ({ open: () => datagrams.open() }),
  'resolves an IP address to itself, and no name that does not exist': () => ({
    resolve: (host) => Promise.resolve([host])
  })
}

/** Changes the connections that are dialled. */
const onConnection =
  (change: (connection: Connection) => Partial<Connection>) =>
  (transport: Transport): Partial<Transport> => ({
    dial: async (...parameters) => {
      const connection = await transport.dial(...parameters)
      return altered(connection, change(connection))
    }
  })

/** Changes the streams that are opened on them. */
const onStream = (change: (stream: Stream) => Partial<Stream>): ((transport: Transport) => Partial<Transport>) =>
  onConnection((connection) => ({
    open: async (options) => {
      const stream = await connection.open(options)
      return altered(stream, change(stream))
    }
  }))

const brokenTransports: Readonly<Record<string, (transport: Transport) => Partial<Transport>>> = {
  'refuses another node than the one dialled, and hands nothing to its taker': (transport) => ({
    dial: (...parameters) =>
      transport.dial(...parameters).catch((cause: unknown) => {
        throw new PeerloomError('ERR_DIAL', 'broken', { cause })
      })
  }),
  'rejects a dial that its signal cancels, and leaves nothing behind': (transport) => ({
    dial: (peer, address) => transport.dial(peer, address)
  }),
  'closes with a code and a reason that the peer sees': onConnection((connection) => ({
    close: (code) => {
      connection.close(code)
    }
  })),
  'lets only so many messages wait to be sent, and counts the others': onConnection((connection) => ({
    sendMessage: (message) => connection.sendMessage(message) || true
  })),
  'gives further streams up while it is drained, on both sides': onConnection((connection) => ({
    drain: (code, reason) => {
      connection.close(code, reason)
      return connection.closed
    }
  })),
  'numbers streams as RFC 9000 does': onStream(({ id }) => ({ id: id + 1 })),
  'refuses a writer that never waits': onStream((stream) => ({
    write: (chunk) => {
      try {
        return stream.write(chunk)
      } catch {
        return false
      }
    }
  })),
  'shows a reset to the reader, with its code': onStream((stream) => ({
    reset: () => {
      stream.reset(0)
    }
  }))
}

async function datagramsPair(change: (datagrams: Datagrams) => Partial<Datagrams>): Promise<DatagramsPair> {
  const network = new MemoryNetwork()
  const kernels = ['10.0.0.1', '10.0.0.2'].map((host) =>
    createKernel({ plugins: [memoryNetwork.with({ network, host })] })
  )
  await Promise.all(kernels.map((kernel) => kernel.start()))
  const [a, b] = kernels.map((kernel) => kernel.resolve(Datagrams)) as [Datagrams, Datagrams]
  return {
    a: altered(a, change(a)),
    b: altered(b, change(b)),
    async stop() {
      await Promise.all(kernels.map((kernel) => kernel.stop()))
    }
  }
}

async function transportPair(change: (transport: Transport) => Partial<Transport>): Promise<TransportPair> {
  const network = new MemoryNetwork()
  const startEnd = async (n: number): Promise<TransportEnd> => {
    const { kernel, transport, identity, address } = await startNode(n, {
      network,
      transport: { maxStreams: MAX_STREAMS }
    })
    return {
      transport: altered(transport, change(transport)),
      id: identity.nodeId,
      address,
      stop: () => kernel.stop()
    }
  }
  const [a, b] = await Promise.all([startEnd(1), startEnd(2)])
  return {
    a,
    b,
    nowhere: { host: '10.0.0.99', port: 4433 },
    stranger: testIdentity(3).nodeId,
    async stop() {
      await Promise.all([a.stop(), b.stop()])
    }
  }
}

function refuses<T>(
  broken: Readonly<Record<string, T>>,
  good: T,
  suite: (change: T) => ReturnType<typeof testsOf>
): void {
  for (const [title, change] of Object.entries(broken)) {
    it(`takes a good one and refuses a broken one: ${title}`, async () => {
      expect(await failureOf(suite(good).get(title))).to.equal(undefined)
      expect(await failureOf(suite(change).get(title))).to.be.instanceOf(Error)
    })
  }
}

describe('the suite for Datagrams', () => {
  refuses(
    brokenDatagrams,
    () => ({}),
    (change) =>
      testsOf((runner) => {
        datagramsConformance({ name: 'datagrams', create: () => datagramsPair(change), ...runner })
      })
  )
})

describe('the suite for Transport', () => {
  refuses(
    brokenTransports,
    () => ({}),
    (change) =>
      testsOf((runner) => {
        const createPair = () => transportPair(change)
        transportConformance({ name: 'a transport', maxStreams: MAX_STREAMS, createPair, ...runner })
      })
  )
})
