import {
  createKernel,
  Datagrams,
  definePlugin,
  Identity,
  Transport,
  type Clock,
  type Kernel
} from '#src/kernel/index.js'
import type { Address } from '#src/model/index.js'
import { memoryNetwork, type MemoryNetwork } from '#src/plugins/memory-network/index.js'
import { memoryTransport, type MemoryTransportOptions } from '#src/plugins/memory-transport/index.js'
import { paths, type PathsOptions } from '#src/plugins/paths/index.js'
import { seededRandom } from '#src/testkit/index.js'
import { testIdentity } from './identities.js'

export interface TestNode {
  readonly kernel: Kernel
  readonly transport: Transport
  readonly datagrams: Datagrams
  readonly identity: Identity
  readonly address: Address
}

export interface TestNodeOptions {
  readonly network: MemoryNetwork
  readonly clock?: Clock
  readonly transport?: MemoryTransportOptions
  readonly identity?: Identity
  /** `false` for none that keeps paths. */
  readonly paths?: PathsOptions | false
}

/** Node number `n`, at 10.0.0.n port 4433. */
export async function startNode(n: number, options: TestNodeOptions): Promise<TestNode> {
  const identity = options.identity ?? testIdentity(n)
  const kernel = createKernel({
    ...(options.clock === undefined ? {} : { clock: options.clock }),
    random: seededRandom(n),
    plugins: [
      definePlugin({ name: 'identity', provides: { identity: Identity }, start: () => ({ identity }) }),
      memoryNetwork.with({ network: options.network, host: `10.0.0.${n}`, port: 4433 }),
      ...(options.paths === false ? [] : [paths.with(options.paths ?? {})]),
      memoryTransport.with(options.transport ?? {})
    ]
  })
  await kernel.start()
  const datagrams = kernel.resolve(Datagrams)
  return { kernel, identity, datagrams, transport: kernel.resolve(Transport), address: datagrams.primary.local }
}
