import {
  Contact,
  createNode,
  duplex,
  quicTransport,
  raw,
  RpcRegistry,
  server,
  unary,
  Datagrams,
  type Address,
  type Client,
  type Node
} from 'peerloom'
import { INPUT, type Caller, type Contender, type Settings } from '../rpc/contender.js'

/** See suites/rpc.ts. Nodes with all standard plugins, and calls by the clients that the registry makes. */

interface Message {
  readonly v: number
}

const chunk = Buffer.alloc(64 * 1024, 'peerloom')

export const methods = {
  echo: unary((input: Message) => Promise.resolve(input)),
  pass: duplex<Message, Message>((input) => input),
  count: server<number, Message>(function* (count) {
    for (let v = 0; v < count; v++) yield { v }
  }),
  take: raw<null, null>(async (_, body) => {
    await body.pipeTo(new WritableStream())
    return { result: null, body: [] }
  })
}

export const serve: Contender['serve'] = async (settings) => {
  const node = await start(settings)
  node.kernel.resolve(RpcRegistry).register(methods)
  const { port } = node.kernel.resolve(Datagrams).primary.local
  return { port, where: { id: node.id, port } }
}

export const connect = async ({ id, port }: { id: Node['id']; port: number }, settings: Settings): Promise<Caller> => {
  const node = await start(settings)
  const address: Address = { host: '127.0.0.1', port: settings.relay?.client ?? port }
  const connection = await node.connect(Contact.of(id, [address]))
  return callerOf(node.kernel.resolve(RpcRegistry).client(connection, methods))
}

function start({ datagramBytes }: Settings): Promise<Node> {
  const plugins = datagramBytes === undefined ? [] : [quicTransport.with({ maxDatagramBytes: datagramBytes })]
  return createNode({ host: '127.0.0.1', plugins })
}

/** The contestant that is given a client of these methods. */
export function callerOf(remote: Client<typeof methods>): Caller {
  const check = (count: number, wanted: number): void => {
    if (count !== wanted) throw new Error(`${count} messages came of ${wanted}`)
  }
  return {
    async call() {
      if ((await remote.echo(INPUT)).v !== INPUT.v) throw new Error('another answer')
    },
    async exchange(count) {
      let came = 0
      for await (const { v } of remote.pass(messages(count))) came += v === INPUT.v ? 1 : 0
      check(came, count)
    },
    async items(count) {
      let came = 0
      for await (const { v } of remote.count(count)) came += v === came ? 1 : 0
      check(came, count)
    },
    async pour(bytes, stop) {
      await remote.take(null, chunks(bytes, stop))
    }
  }
}

function* messages(count: number): Generator<Message> {
  for (let i = 0; i < count; i++) yield INPUT
}

function* chunks(bytes: number, stop: AbortSignal): Generator<Uint8Array> {
  for (let sent = 0; sent < bytes && !stop.aborted; sent += chunk.length) yield chunk
}
