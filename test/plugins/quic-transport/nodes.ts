import {
  systemClock,
  type Clock,
  createKernel,
  Datagrams,
  Identity,
  Transport,
  type Connection
} from '#src/kernel/index.js'
import type { Plugin } from '#src/kernel/index.js'
import type { Address } from '#src/model/index.js'
import { type NodeId } from '#src/model/index.js'
import { identity } from '#src/plugins/identity/index.js'
import { quicTransport } from '#src/plugins/quic-transport/index.js'
import { udp } from '#src/plugins/udp/index.js'

export interface TestNode extends AsyncDisposable {
  readonly id: NodeId
  readonly address: Address
  readonly transport: Transport
  readonly datagrams: Datagrams
  /** Connections that others made, each as it comes. */
  accepted(): Promise<Connection>
  readonly inbound: readonly Connection[]
  stop(): Promise<void>
}

export type QuicOptions = Parameters<typeof quicTransport.with>[0]
/** Stands between the socket and the transport. */
export type Wrap = (datagrams: Datagrams) => Datagrams

export interface NodeOptions {
  readonly quic?: QuicOptions
  readonly host?: string
  readonly port?: number
  readonly wrap?: Wrap
  readonly identity?: Plugin
  /** Such as the one that keeps paths. */
  readonly further?: readonly Plugin[]
  readonly clock?: Clock
}

/** A node with the real plugins on a loopback socket. */
export async function startNode(options: NodeOptions = {}): Promise<TestNode> {
  const sockets = udp.with({ host: options.host ?? '127.0.0.1', port: options.port ?? 0 })
  const { wrap } = options
  const kernel = createKernel({
    clock: options.clock ?? systemClock,
    plugins: [
      wrap === undefined ? sockets : wrapped(sockets, wrap),
      options.identity ?? identity,
      quicTransport.with(options.quic ?? {}),
      ...(options.further ?? [])
    ]
  })
  await kernel.start()
  const transport = kernel.resolve(Transport)
  const datagrams = kernel.resolve(Datagrams)
  const inbound: Connection[] = []
  const waiting: ((connection: Connection) => void)[] = []
  let given = 0
  transport.onConnection = (connection) => {
    inbound.push(connection)
    waiting.shift()?.(connection)
  }
  const { local } = datagrams.primary
  return {
    id: kernel.resolve(Identity).nodeId,
    address: { host: local.host === '::' || local.host === '0.0.0.0' ? '127.0.0.1' : local.host, port: local.port },
    transport,
    datagrams,
    inbound,
    accepted: () => {
      const connection = inbound[given++]
      return connection === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(connection)
    },
    stop: () => kernel.stop(),
    [Symbol.asyncDispose]: () => kernel.stop()
  }
}

/** The plugin with what it provides wrapped. */
export function wrapped(plugin: Plugin, wrap: Wrap): Plugin {
  return {
    ...plugin,
    with: () => plugin,
    launch: async (dependencies, context) => {
      const launched = await plugin.launch(dependencies, context)
      const { datagrams } = launched.provided as { datagrams: Datagrams }
      return { ...launched, provided: { datagrams: wrap(datagrams) } }
    }
  }
}

/** Two nodes and a connection from `a` to `b`. */
export async function connectedPair(
  options: NodeOptions = {},
  others: NodeOptions = options
): Promise<{ a: TestNode; b: TestNode; out: Connection; in: Connection } & AsyncDisposable> {
  const [a, b] = await Promise.all([startNode(options), startNode(others)])
  const [out, inward] = await Promise.all([a.transport.dial(b.id, b.address), b.accepted()])
  return {
    a,
    b,
    out,
    in: inward,
    [Symbol.asyncDispose]: async () => {
      await Promise.all([a.stop(), b.stop()])
    }
  }
}
