import {
  ConnectionPool,
  createKernel,
  Datagrams,
  Identity,
  systemClock,
  type Kernel,
  type Plugin
} from '#src/kernel/index.js'
import { Contact } from '#src/model/index.js'
import { connectionPool } from '#src/plugins/connection-pool/index.js'
import { identity } from '#src/plugins/identity/index.js'
import { MemoryNetwork, memoryNetwork } from '#src/plugins/memory-network/index.js'
import { memoryTransport } from '#src/plugins/memory-transport/index.js'
import { quicTransport } from '#src/plugins/quic-transport/index.js'
import { udp } from '#src/plugins/udp/index.js'
import { seededRandom, VirtualClock } from '#src/testkit/index.js'

export interface StartedNode {
  readonly kernel: Kernel
  readonly contact: Contact
  readonly pool: ConnectionPool
}

/** What nodes of a kind stand on: all that is below RPC. */
export interface Surroundings {
  /** The time they live in, if it is not real. */
  readonly clock?: VirtualClock
  /** Starts node number `n`, from 1, with these plugins on top. */
  readonly start: (n: number, ...plugins: readonly Plugin[]) => Promise<StartedNode>
}

/** A made-up network with 5 ms from host to host, in virtual time. */
export function overMemory(): Surroundings {
  const clock = new VirtualClock()
  const network = new MemoryNetwork({ clock, random: seededRandom(1), latencyMs: 5 })
  return {
    clock,
    start: (n, ...plugins) =>
      start(n, clock, [memoryNetwork.with({ network, host: `10.0.0.${n}`, port: 4433 }), memoryTransport, ...plugins])
  }
}

/** QUIC over sockets of this machine, in real time. */
export function overQuic(): Surroundings {
  return { start: (n, ...plugins) => start(n, undefined, [udp.with({ host: '127.0.0.1' }), quicTransport, ...plugins]) }
}

async function start(n: number, clock: VirtualClock | undefined, plugins: readonly Plugin[]): Promise<StartedNode> {
  const kernel = createKernel({
    clock: clock ?? systemClock,
    random: seededRandom(n),
    plugins: [identity.with({ seed: new Uint8Array(32).fill(n) }), connectionPool, ...plugins]
  })
  await (clock === undefined ? kernel.start() : clock.until(kernel.start()))
  const contact = Contact.of(kernel.resolve(Identity).nodeId, [kernel.resolve(Datagrams).primary.local])
  return { kernel, contact, pool: kernel.resolve(ConnectionPool) }
}
