import { expect } from 'chai'
import { NEVER } from 'rxjs'
import type { Connection, Transport } from '#src/kernel/index.js'
import { MemoryNetwork } from '#src/plugins/memory-network/index.js'
import {
  seededRandom,
  transportPathsConformance,
  VirtualClock,
  type PathsEnd,
  type PathsPair
} from '#src/testkit/index.js'
import { startNode } from '../../plugins/memory-transport/nodes.js'
import { altered } from './altered.js'
import { failureOf, testsOf } from './collect.js'

type Change = (transport: Transport) => Partial<Transport>

/** Changes the connections that are dialled. */
const onConnection =
  (change: (connection: Connection) => Partial<Connection>): Change =>
  (transport) => ({
    dial: async (...parameters) => {
      const connection = await transport.dial(...parameters)
      return altered(connection, change(connection))
    }
  })

const broken: Readonly<Record<string, Change>> = {
  'says what path a connection takes': onConnection(({ remote }) => ({ path: { local: remote, remote } })),
  'proves a path from another socket, to both sides, and stays where it is': onConnection((connection) => ({
    probe: async (...parameters) => {
      const path = await connection.probe(...parameters)
      await connection.migrate(path)
      return path
    }
  })),
  'rejects a probe that nothing answers with ERR_PATH, in time, and goes on': onConnection(({ path }) => ({
    probe: (remote) => Promise.resolve({ ...path, remote })
  })),
  'rejects a probe that its signal cancels, or whose connection ends': onConnection((connection) => ({
    probe: (remote) => connection.probe(remote, { timeoutMs: 100 })
  })),
  'moves to another socket of the dialler': onConnection(() => ({ migrate: () => Promise.resolve() })),
  'is made over a carrier, and moves away from it': (transport) => ({
    dial: (peer, address, options) => transport.dial(peer, address, { ...options, via: undefined })
  }),
  'carries a socket once': (transport) => ({
    carry: (socket) => {
      try {
        return transport.carry(socket)
      } catch {
        return () => undefined
      }
    }
  }),
  'returns to a path that works when the one in use dies, if the dialler finds out': onConnection((connection) => ({
    migrate: async (path) => {
      await connection.migrate(path)
      connection.close()
    }
  })),
  'tells what becomes of paths, until the connection ends': onConnection(() => ({ paths$: NEVER }))
}

async function createPair(change: Change): Promise<PathsPair> {
  const clock = new VirtualClock()
  const network = new MemoryNetwork({ clock, random: seededRandom(1), latencyMs: 5 })
  const startEnd = async (n: number): Promise<PathsEnd> => {
    const node = await startNode(n, { network, clock, paths: { timeoutMs: 500 } })
    const transport = altered(node.transport, change(node.transport))
    return { ...node, transport, id: node.identity.nodeId, stop: () => node.kernel.stop() }
  }
  const [a, b] = await Promise.all([startEnd(1), startEnd(2)])
  return {
    a,
    b,
    clock,
    nowhere: { host: '10.0.0.99', port: 4433 },
    async stop() {
      await Promise.all([a.stop(), b.stop()])
    }
  }
}

describe('the suite for the paths of a Transport', () => {
  const suite = (change: Change): ReturnType<typeof testsOf> =>
    testsOf((runner) => {
      transportPathsConformance({ name: 'a transport', createPair: () => createPair(change), ...runner })
    })

  for (const [title, change] of Object.entries(broken)) {
    it(`takes a good one and refuses a broken one: ${title}`, async () => {
      expect(await failureOf(suite(() => ({})).get(title))).to.equal(undefined)
      expect(await failureOf(suite(change).get(title))).to.be.instanceOf(Error)
    })
  }
})
