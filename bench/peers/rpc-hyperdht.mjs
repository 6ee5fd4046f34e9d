import c from 'compact-encoding'
import DHT from 'hyperdht'
import createTestnet from 'hyperdht/testnet.js'
import Protomux from 'protomux'
import RPC from 'protomux-rpc'
import UDXStream from 'udx-native/lib/stream.js'
import { REQUEST_TEXT } from '../../build/bench/rpc/contender.js'

const request = Buffer.from(REQUEST_TEXT)
const chunk = Buffer.alloc(64 * 1024, 'peerloom')

export async function serve({ relay }) {
  leadThrough(relay?.server)
  const testnet = await createTestnet(3, { host: '127.0.0.1' })
  // Firewalled nodes would punch towards themselves.
  const node = testnet.createNode({ firewalled: false, ephemeral: false })
  const server = node.createServer((connection) => {
    connection.on('error', () => undefined)
    new RPC(connection).respond('echo', (bytes) => bytes)
    const { message, taken } = channelOf(connection, {
      message: (bytes) => void message.send(bytes),
      async count(left) {
        while (left-- > 0) if (!message.send(request)) await drained(connection)
      },
      bytes: (bytes) => void (bytes.length === 0 && taken.send(null))
    })
  })
  await server.listen()
  const { port } = node.io.serverSocket.address()
  return { port, where: { bootstrap: testnet.bootstrap, key: server.publicKey.toString('hex') } }
}

export async function connect({ bootstrap, key }, { relay }) {
  leadThrough(relay?.client)
  const node = new DHT({ bootstrap, host: '127.0.0.1', firewalled: false })
  await node.fullyBootstrapped()
  const connection = node.connect(Buffer.from(key, 'hex'))
  if (!(await connection.opened)) throw new Error('hyperdht did not connect')
  connection.on('error', () => undefined)
  const rpc = new RPC(connection)
  let waiting
  let left = 0
  const channel = channelOf(connection, {
    message: () => --left === 0 && waiting(),
    taken: () => waiting()
  })
  const expected = (count) => {
    left = count
    return new Promise((resolve) => (waiting = resolve))
  }
  return {
    call: () => rpc.request('echo', request),
    async exchange(count) {
      const came = expected(count)
      for (let i = 0; i < count; i++) if (!channel.message.send(request)) await drained(connection)
      await came
    },
    async items(count) {
      const came = expected(count)
      channel.count.send(count)
      await came
    },
    async pour(bytes, stop) {
      const came = expected(Infinity)
      for (let sent = 0; sent < bytes && !stop.aborted; sent += chunk.length) {
        if (!channel.bytes.send(chunk)) await drained(connection)
      }
      channel.bytes.send(Buffer.alloc(0))
      await came
    }
  }
}

/** protomux-rpc has calls with one message each way; for streams of messages there is Protomux itself. */
function channelOf(connection, { message, count, bytes, taken }) {
  const channel = Protomux.from(connection).createChannel({ protocol: 'bench' })
  const add = (encoding, onmessage) => channel.addMessage({ encoding, onmessage })
  const messages = {
    message: add(c.raw, message),
    count: add(c.uint, count),
    bytes: add(c.raw, bytes),
    taken: add(c.none, taken)
  }
  channel.open()
  return messages
}

const drained = (connection) => new Promise((resolve) => connection.once('drain', resolve))

/** Streams of this process send to a port of this machine, whatever they are told. */
function leadThrough(port) {
  if (port === undefined) return
  const { connect } = UDXStream.prototype
  UDXStream.prototype.connect = function (socket, id, _, ...rest) {
    return connect.call(this, socket, id, port, ...rest)
  }
}
