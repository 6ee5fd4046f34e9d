// A node that is called and attacked; tells what it holds.
import { setTimeout as pause } from 'node:timers/promises'
import {
  connectionPool,
  Contact,
  createKernel,
  Datagrams,
  definePlugin,
  Identity,
  identity,
  quicTransport,
  rpc,
  RpcRegistry,
  Transport,
  udp,
  unary,
  type QuicTransportOptions
} from 'peerloom'
import { answer } from './child.js'

export interface Holdings {
  readonly heapBytes: number
  readonly rssBytes: number
  readonly handles: Readonly<Record<string, number>>
  readonly connections: number
  readonly handshakes: number
  readonly dropped: Readonly<Record<string, number>>
  readonly unhandled: number
}

const square = definePlugin({
  name: 'square',
  needs: { rpc: RpcRegistry },
  start: ({ rpc }) =>
    void rpc.register({ square: unary<{ value: number }, { value: number }>(({ value }) => ({ value: value ** 2 })) })
})

let unhandled = 0
process.on('unhandledRejection', () => unhandled++)

const options = JSON.parse(process.argv[2] ?? '{}') as QuicTransportOptions
// Without a router, which would have connections of its own to make.
const node = createKernel({
  plugins: [identity, udp.with({ host: '127.0.0.1' }), quicTransport.with(options), connectionPool, rpc, square]
})
await node.start()
const transport = node.resolve(Transport)

async function holdings(): Promise<Holdings> {
  // Native objects are given up by finalizers, which run after a collection.
  for (let i = 0; i < 3; i++) {
    gc!()
    await pause(20)
  }
  const { heapUsed, external, rss } = process.memoryUsage()
  const { connections, handshakes, dropped } = transport.stats()
  const handles: Record<string, number> = {}
  for (const kind of process.getActiveResourcesInfo()) {
    // That is work of this turn, and nothing that is held.
    if (kind !== 'Immediate') handles[kind] = (handles[kind] ?? 0) + 1
  }
  return { heapBytes: heapUsed + external, rssBytes: rss, handles, connections, handshakes, dropped, unhandled }
}

const contact = Contact.of(node.resolve(Identity).nodeId, [node.resolve(Datagrams).primary.local])
answer(String(contact), { holdings }, () => node.stop())
