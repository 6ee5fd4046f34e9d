import matrix from '@matrixai/rpc'
import type { ClientManifest, RPCClient, RPCServer, ServerManifest } from '@matrixai/rpc'
import { events, type QUICStream } from '@matrixai/quic'
import { createKernel, RpcRegistry, webStreams, writeChunk, type Connection, type Stream } from '#src/kernel/index.js'
import { rpc } from '#src/plugins/rpc/index.js'
import { dialThem, dialUs, ours, PROTOCOL, type Meeting } from '../quic-transport/meetings.js'
import { startNode } from '../quic-transport/nodes.js'
import { poolPlugin } from './harness.js'

type RpcStream = Parameters<RPCServer['handleStream']>[0]

/** One of our nodes, and the classes of @matrixai/rpc at the other end of its connection. */
export interface Peers extends AsyncDisposable {
  readonly registry: RpcRegistry
  readonly connection: Connection
  /** An RPCClient that calls our node. */
  client<M extends ClientManifest>(manifest: M): RPCClient<M>
  /** Serves what our node calls by an RPCServer. */
  serve(manifest: ServerManifest): Promise<void>
}

interface Theirs extends AsyncDisposable {
  readonly ours: Connection
  newStream(): Promise<RpcStream>
  onStream(handler: (stream: RpcStream) => void): void
}

/** It would tell every step on the console. */
const logger = {
  getChild: () => logger,
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined
} as never

/** Where the classes stand, by words. */
export const places: readonly (readonly [string, () => Promise<Peers>])[] = [
  ['a client on its QUICServer', () => over(async () => onTheirTransport(await dialThem()))],
  ['a server on its QUICClient', () => over(async () => onTheirTransport(await dialUs()))],
  ['our transport at both ends', () => over(onOurTransport)]
]

async function over(meet: () => Promise<Theirs>): Promise<Peers> {
  const theirs = await meet()
  const kernel = createKernel({ plugins: [poolPlugin(theirs.ours), rpc.with({ matrixProtocols: [PROTOCOL] })] })
  await kernel.start()
  let server: RPCServer | undefined
  return {
    registry: kernel.resolve(RpcRegistry),
    connection: theirs.ours,
    client: (manifest) => new matrix.RPCClient({ manifest, streamFactory: () => theirs.newStream(), logger }),
    async serve(manifest) {
      const serving = (server = new matrix.RPCServer({ logger }))
      await serving.start({ manifest })
      theirs.onStream((stream) => {
        serving.handleStream(stream)
      })
    },
    async [Symbol.asyncDispose]() {
      await server?.stop({ force: true })
      await kernel.stop()
      await theirs[Symbol.asyncDispose]()
    }
  }
}

function onTheirTransport({ ours: connection, theirs, ...meeting }: Meeting): Theirs {
  return {
    ours: connection,
    newStream: () => Promise.resolve(theirs.newStream('bidi') as unknown as RpcStream),
    onStream: (handler) => {
      theirs.addEventListener(events.EventQUICConnectionStream.name, ({ detail }: { detail: QUICStream }) => {
        handler(detail)
      })
    },
    [Symbol.asyncDispose]: () => meeting[Symbol.asyncDispose]()
  }
}

async function onOurTransport(): Promise<Theirs> {
  const [near, far] = await Promise.all([startNode(ours), startNode(ours)])
  const [connection, theirs] = await Promise.all([near.transport.dial(far.id, far.address), far.accepted()])
  return {
    ours: connection,
    newStream: async () => rpcStream(await theirs.open()),
    onStream: (handler) => {
      theirs.onStream = (stream) => {
        handler(rpcStream(stream))
      }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([near.stop(), far.stop()])
    }
  }
}

const NOTHING = new Uint8Array(0)

/** A stream in the form that the classes take. */
function rpcStream(stream: Stream): RpcStream {
  const cancel = (): void => {
    stream.reset(0)
    stream.stop(0)
  }
  const writable = new WritableStream<Uint8Array>({
    start: (controller) => {
      // The classes learn only from their writable that the other side gave up.
      const look = (): void => {
        try {
          stream.write(NOTHING)
        } catch (error) {
          controller.error(error)
        }
      }
      stream.onWritable = stream.onClosed = look
    },
    async write(chunk) {
      const { onWritable } = stream
      await writeChunk(stream, chunk)
      stream.onWritable = onWritable
    },
    close() {
      stream.onWritable = stream.onClosed = undefined
      stream.end()
    },
    abort() {
      stream.reset(0)
    }
  })
  return { readable: webStreams(stream).readable, writable, cancel }
}
