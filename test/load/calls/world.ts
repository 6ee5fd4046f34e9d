import {
  ConnectionPool,
  createKernel,
  Datagrams,
  Identity,
  RpcRegistry,
  systemClock,
  type Clock,
  type Connection
} from '#src/kernel/index.js'
import { Contact } from '#src/model/index.js'
import { connectionPool } from '#src/plugins/connection-pool/index.js'
import { identity } from '#src/plugins/identity/index.js'
import { MemoryNetwork, memoryNetwork, type LinkOptions } from '#src/plugins/memory-network/index.js'
import { quicTransport } from '#src/plugins/quic-transport/index.js'
import { rpc } from '#src/plugins/rpc/index.js'
import { seededRandom } from '#src/testkit/index.js'

const LINK: LinkOptions = { latencyMs: [1, 3], lossRate: 0.02 }
/** A handler whose caller's giving up was lost ends then. */
const HANDLER_TIMEOUT_MS = 5_000

/** The clock of this machine, and how many timers of it are running. */
class CountingClock implements Clock {
  timers = 0

  now(): number {
    return systemClock.now()
  }

  monotonic(): number {
    return systemClock.monotonic()
  }

  hold(): () => void {
    return systemClock.hold()
  }

  setTimeout(run: () => void, ms: number) {
    this.timers++
    let over = false
    const end = (): void => {
      if (!over) this.timers--
      over = true
    }
    const timer = systemClock.setTimeout(() => {
      end()
      run()
    }, ms)
    return {
      clear: () => {
        end()
        timer.clear()
      }
    }
  }
}

/** Two real nodes with a connection over a link that loses and reorders. */
export interface World {
  readonly caller: RpcRegistry
  readonly callee: RpcRegistry
  readonly connection: Connection
  /** Streams that are open at either end. */
  readonly streams: number
  /** Timers that are running on both nodes. */
  readonly timers: number
  stop(): Promise<void>
}

export async function createWorld(seed: number, protocol: string): Promise<World> {
  const network = new MemoryNetwork({ ...LINK, random: seededRandom(seed) })
  const clock = new CountingClock()
  const start = async (host: string) => {
    const plugins = [
      identity,
      memoryNetwork.with({ network, host }),
      quicTransport.with({ protocols: [protocol] }),
      connectionPool,
      rpc.with({ defaultTimeoutMs: HANDLER_TIMEOUT_MS })
    ]
    const kernel = createKernel({ clock, plugins })
    await kernel.start()
    return kernel
  }
  const [near, far] = await Promise.all([start('10.0.0.1'), start('10.0.0.2')])
  const contact = Contact.of(far.resolve(Identity).nodeId, [far.resolve(Datagrams).primary.local])
  const connection = await near.resolve(ConnectionPool).dial(contact)
  return {
    caller: near.resolve(RpcRegistry),
    callee: far.resolve(RpcRegistry),
    connection,
    get streams() {
      const ends = [near, far].flatMap((kernel) => [...kernel.resolve(ConnectionPool).connections])
      return ends.reduce((sum, end) => sum + end.stats().streams, 0)
    },
    get timers() {
      return clock.timers
    },
    async stop() {
      await Promise.all([near.stop(), far.stop()])
      while (network.stats.inFlight > 0) await new Promise((resolve) => setImmediate(resolve))
    }
  }
}
