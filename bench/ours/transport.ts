import {
  createKernel,
  Datagrams,
  Identity,
  identity,
  quicTransport,
  Transport,
  udp,
  writable,
  type Address,
  type Kernel,
  type NodeId,
  type Stream
} from 'peerloom'
import type { Contender, Duct } from '../transport/contender.js'

/** See suites/transport.ts. */
export const serve: Contender['serve'] = async (settings, accept) => {
  const kernel = await start(settings)
  kernel.resolve(Transport).onConnection = (connection) => {
    connection.onStream = (stream) => {
      accept(ductOf(stream))
    }
  }
  return JSON.stringify({ id: kernel.resolve(Identity).nodeId, address: kernel.resolve(Datagrams).primary.local })
}

export const client: Contender['client'] = async (where, settings) => {
  const { id, address } = JSON.parse(where) as { id: NodeId; address: Address }
  const transport = (await start(settings)).resolve(Transport)
  return async () => {
    const connection = await transport.dial(id, address)
    return {
      open: async () => ductOf(await connection.open()),
      close: () => {
        connection.close()
      }
    }
  }
}

async function start({ datagramBytes, connections }: Parameters<Contender['serve']>[0]): Promise<Kernel> {
  const kernel = createKernel({
    plugins: [
      identity,
      udp.with({ host: '127.0.0.1' }),
      quicTransport.with({
        ...(datagramBytes === undefined ? {} : { maxDatagramBytes: datagramBytes }),
        ...(connections === undefined ? {} : { maxConnections: 2 * connections })
      })
    ]
  })
  await kernel.start()
  return kernel
}

function ductOf(stream: Stream): Duct {
  const duct: Duct = {
    write: (chunk) => stream.write(chunk),
    drained: () => writable(stream),
    onData: () => undefined,
    end: () => {
      stream.end()
    }
  }
  const read = (): void => {
    for (let chunk = stream.read(); chunk instanceof Uint8Array; chunk = stream.read()) duct.onData(chunk)
  }
  stream.onReadable = read
  queueMicrotask(read)
  return duct
}
