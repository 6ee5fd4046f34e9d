import {
  connectionPool,
  ConnectionPool,
  Contact,
  createNode,
  Router,
  RpcRegistry,
  unary,
  type Node,
  type NodeId
} from 'peerloom'
import { debounceTime, firstValueFrom, startWith } from 'rxjs'
import { NETWORK_NODES, type Connect, type Contender, type Duct } from '../transport/contender.js'

/** A network in which nobody has connected for this long is at rest. */
const QUIET_MS = 200

type Bytes = readonly number[]

/** A whole network, each of whose nodes answers; the first one is everyone's seed. See suites/transport.ts. */
export const serve: Contender['serve'] = async (_, accept) => {
  const seed = await start([])
  const nodes = [seed]
  while (nodes.length < NETWORK_NODES) nodes.push(await start([seed.contact.toString()]))
  for (const node of nodes) {
    node.kernel.resolve(RpcRegistry).register({ answer: unary<Bytes, Bytes>((request) => answerTo(request, accept)) })
  }
  return JSON.stringify({ seed: seed.contact.toString(), ids: nodes.map(({ id }) => id) })
}

/** Each connection is to a node that the client has not met. When it has met them all, another client takes its place. */
export const client: Contender['client'] = async (where) => {
  const { seed, ids } = JSON.parse(where) as { seed: string; ids: NodeId[] }
  const join = async (): Promise<Node> => {
    const node = await start([seed])
    await settled(node)
    return node
  }
  let node = await join()
  let target: NodeId | undefined
  const connect: Connect = () => {
    if (target === undefined) throw new Error('a node that joins meets all others at once; make the network larger')
    const { answer } = node.peer(target).rpc({ answer: unary<Bytes, Bytes>() })
    // The connection is the node's, which keeps it.
    return Promise.resolve({ open: () => Promise.resolve(ductOf(answer)), close: () => undefined })
  }
  connect.prepare = async () => {
    target = strangerTo(node, ids)
    if (target !== undefined) return
    // The former one stays: others would try to reach a node that is gone.
    node = await join()
    target = strangerTo(node, ids)
  }
  return connect
}

function strangerTo({ kernel }: Node, ids: readonly NodeId[]): NodeId | undefined {
  const [pool, router] = [kernel.resolve(ConnectionPool), kernel.resolve(Router)]
  return ids.find((id) => pool.get(id) === undefined && router.closest(id, 1)[0]?.id !== id)
}

/** Those whom the node has met as it joined may still be looking at it. */
async function settled(node: Node): Promise<void> {
  await firstValueFrom(node.peers$.pipe(startWith(undefined), debounceTime(QUIET_MS)))
}

const start = (seeds: readonly string[]): Promise<Node> =>
  createNode({
    host: '127.0.0.1',
    seeds: seeds.map((text) => Contact.parse(text)),
    // All are at one address.
    plugins: [connectionPool.with({ maxPerAddress: 2 * NETWORK_NODES })]
  })

function answerTo(request: Bytes, accept: (duct: Duct) => void): Promise<Bytes> {
  return new Promise((resolve) => {
    const duct: Duct = {
      write(chunk) {
        resolve([...chunk])
        return true
      },
      drained: () => Promise.resolve(),
      onData: () => undefined,
      end: () => undefined
    }
    accept(duct)
    duct.onData(Uint8Array.from(request))
  })
}

function ductOf(answer: (request: Bytes) => Promise<Bytes>): Duct {
  const duct: Duct = {
    write(chunk) {
      void answer([...chunk]).then((said) => {
        duct.onData(Uint8Array.from(said))
      })
      return true
    },
    drained: () => Promise.resolve(),
    onData: () => undefined,
    end: () => undefined
  }
  return duct
}
