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
  type Connection,
  type Kernel,
  type NodeId,
  type Stream
} from 'peerloom'
import type { Contender, Duct } from '../transport/contender.js'

/** See suites/transport.ts. */
export const serve: Contender['serve'] = async (settings, accept) => {
  const kernel = await start(settings)
  const transport = kernel.resolve(Transport)
  const take = (connection: Connection): void => {
    connection.onStream = (stream) => {
      accept(ductOf(stream))
    }
  }
  transport.onConnection = take
  transport.onEarly = take
  return JSON.stringify({ id: kernel.resolve(Identity).nodeId, address: kernel.resolve(Datagrams).primary.local })
}

export const client: Contender['client'] = async (where, settings) => {
  const { id, address } = JSON.parse(where) as { id: NodeId; address: Address }
  const transport = (await start(settings)).resolve(Transport)
  return async () => {
    const connection = await new Promise<Connection>((resolve, reject) => {
      transport.dial(id, address, settings.again === 'early' ? { early: resolve } : {}).then(resolve, reject)
    })
    return {
      open: async () => ductOf(await connection.open()),
      close: async () => {
        // The ticket for the next time comes after the handshake.
        if (settings.again !== undefined && (await connection.confirmed())) await connection.ping()
        connection.close()
      }
    }
  }
}

async function start({ datagramBytes, connections, again }: Parameters<Contender['serve']>[0]): Promise<Kernel> {
  const kernel = createKernel({
    plugins: [
      identity,
      udp.with({ host: '127.0.0.1' }),
      quicTransport.with({
        ...(datagramBytes === undefined ? {} : { maxDatagramBytes: datagramBytes }),
        ...(connections === undefined ? {} : { maxConnections: 2 * connections }),
        ...(again === undefined ? {} : { maxTickets: again === 'full' ? 0 : 1, earlyData: again === 'early' })
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
