import { multiaddr } from '@multiformats/multiaddr'
import { REQUEST_TEXT } from '../../build/bench/rpc/contender.js'
import { PLENTY, start, transports } from './transport-libp2p.mjs'

const LENGTH_BYTES = 4
const message = Buffer.alloc(LENGTH_BYTES + REQUEST_TEXT.length)
message.writeUInt32BE(REQUEST_TEXT.length)
message.write(REQUEST_TEXT, LENGTH_BYTES)
const chunk = Buffer.alloc(64 * 1024, 'peerloom')
const many = { maxInboundStreams: PLENTY, maxOutboundStreams: PLENTY }

export const contender = (kind) => ({
  async serve() {
    const { listen, ...parts } = await transports[kind]()
    const node = await start({ ...parts, addresses: { listen: [listen] } })
    await node.handle('/echo/1', (stream) => echo(stream), many)
    await node.handle('/count/1', (stream) => count(stream), many)
    await node.handle('/take/1', (stream) => take(stream), many)
    const where = node.getMultiaddrs()[0].toString()
    return { port: Number(/\/(?:tcp|udp)\/(\d+)/.exec(where)[1]), where }
  },
  async connect(where, { relay }) {
    const { transports: carriers, connectionEncrypters, streamMuxers } = await transports[kind]()
    const node = await start({ transports: carriers, connectionEncrypters, streamMuxers, addresses: { listen: [] } })
    const address = relay === undefined ? where : where.replace(/\/udp\/\d+/, `/udp/${relay.client}`)
    const connection = await node.dial(multiaddr(address))
    const open = (protocol) => connection.newStream(protocol, many)
    const receive = async (stream, wanted) => {
      const came = await messages(stream, () => undefined)
      if (came !== wanted) throw new Error(`${came} messages came of ${wanted}`)
    }
    return {
      async call() {
        const stream = await open('/echo/1')
        stream.send(message)
        const closed = stream.close()
        await receive(stream, 1)
        await closed
      },
      async exchange(count) {
        const stream = await open('/echo/1')
        const came = receive(stream, count)
        for (let i = 0; i < count; i++) if (!stream.send(message)) await stream.onDrain()
        await stream.close()
        await came
      },
      async items(count) {
        const stream = await open('/count/1')
        const request = Buffer.alloc(LENGTH_BYTES)
        request.writeUInt32BE(count)
        stream.send(request)
        const closed = stream.close()
        await receive(stream, count)
        await closed
      },
      async pour(bytes, stop) {
        const stream = await open('/take/1')
        const came = receive(stream, 1)
        for (let sent = 0; sent < bytes && !stop.aborted; sent += chunk.length) {
          if (!stream.send(chunk)) await stream.onDrain()
        }
        await stream.close()
        await came
      }
    }
  }
})

async function echo(stream) {
  await messages(stream, (bytes) => (stream.send(bytes) ? undefined : stream.onDrain()))
  await stream.close()
}

async function count(stream) {
  for await (const request of stream) {
    for (let left = Buffer.from(request.subarray()).readUInt32BE(); left > 0; left--) {
      if (!stream.send(message)) await stream.onDrain()
    }
    break
  }
  await stream.close()
}

async function take(stream) {
  let count = 0
  for await (const chunk of stream) count += chunk.byteLength
  if (count > 0) stream.send(message)
  await stream.close()
}

/** Gives each message of a stream, its length included, to `each`. Returns how many there were. */
async function messages(stream, each) {
  let count = 0
  let rest = Buffer.alloc(0)
  for await (const chunk of stream) {
    const bytes = chunk.subarray()
    rest = rest.length === 0 ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length) : Buffer.concat([rest, bytes])
    let at = 0
    while (rest.length - at >= LENGTH_BYTES) {
      const end = at + LENGTH_BYTES + rest.readUInt32BE(at)
      if (end > rest.length) break
      const waiting = each(rest.subarray(at, end))
      if (waiting !== undefined) await waiting
      at = end
      count++
    }
    rest = rest.subarray(at)
  }
  return count
}
