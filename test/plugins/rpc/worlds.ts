import {
  ConnectionPool,
  createKernel,
  Datagrams,
  Identity,
  RpcRegistry,
  systemClock,
  type Clock,
  type Kernel,
  type Plugin
} from '#src/kernel/index.js'
import { Contact, type NodeId } from '#src/model/index.js'
import { connectionPool } from '#src/plugins/connection-pool/index.js'
import { identity } from '#src/plugins/identity/index.js'
import { MemoryNetwork, memoryNetwork } from '#src/plugins/memory-network/index.js'
import { memoryTransport } from '#src/plugins/memory-transport/index.js'
import { quicTransport } from '#src/plugins/quic-transport/index.js'
import { rpc } from '#src/plugins/rpc/index.js'
import { udp } from '#src/plugins/udp/index.js'
import { seededRandom, VirtualClock } from '#src/testkit/index.js'

export interface Node {
  readonly kernel: Kernel
  readonly rpc: RpcRegistry
  readonly pool: ConnectionPool
  readonly id: NodeId
  readonly contact: Contact
}

/** Nodes that can reach each other, and the time they live in. */
export interface World {
  startNode(seed: number, ...plugins: Plugin[]): Promise<Node>
  /** Waits for a promise while time goes on. */
  until<T>(promise: Promise<T>): Promise<T>
  /** Waits for what no event announces. */
  happens(condition: () => boolean): Promise<void>
}

async function startNode(clock: Clock, seed: number, transport: readonly Plugin[], more: readonly Plugin[]) {
  const plugins = [
    identity.with({ seed: new Uint8Array(32).fill(seed) }),
    ...transport,
    connectionPool,
    rpc.with({ laneIdleMs: 50 }),
    ...more
  ]
  const kernel = createKernel({ clock, random: seededRandom(seed), plugins })
  await (clock instanceof VirtualClock ? clock.until(kernel.start()) : kernel.start())
  const id = kernel.resolve(Identity).nodeId
  const contact = Contact.of(id, [kernel.resolve(Datagrams).primary.local])
  return { kernel, rpc: kernel.resolve(RpcRegistry), pool: kernel.resolve(ConnectionPool), id, contact }
}

/** A made-up network in virtual time. */
export function memoryWorld(link: { latencyMs: number; lossRate?: number }): World {
  const clock = new VirtualClock()
  const network = new MemoryNetwork({ clock, random: seededRandom(1), ...link })
  return {
    startNode(seed, ...plugins) {
      const datagrams = memoryNetwork.with({ network, host: `10.0.0.${String(seed)}`, port: 4433 })
      return startNode(clock, seed, [datagrams, memoryTransport], plugins)
    },
    until: (promise) => clock.until(promise),
    async happens(condition) {
      for (let i = 0; i < 600 && !condition(); i++) await clock.advance(100)
      if (!condition()) throw new Error(`this did not come true within a minute: ${condition.toString()}`)
    }
  }
}

/** QUIC over sockets of this machine. */
export function quicWorld(): World {
  return {
    startNode: (seed, ...plugins) =>
      startNode(systemClock, seed, [udp.with({ host: '127.0.0.1' }), quicTransport], plugins),
    until: (promise) => promise,
    async happens(condition) {
      for (let i = 0; i < 10_000 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 2))
      if (!condition()) throw new Error(`this did not come true: ${condition.toString()}`)
    }
  }
}
