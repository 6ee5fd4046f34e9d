import DHT from 'hyperdht'
import createTestnet from 'hyperdht/testnet.js'
import { NETWORK_NODES } from '../../build/bench/transport/contender.js'
import { ductOf } from './transport-hyperdht.mjs'

/** Servers that a client can look up before another takes its place. */
const SERVERS = 10

export async function serve(_, accept) {
  const testnet = await createTestnet(NETWORK_NODES - 1, { host: '127.0.0.1' })
  const node = testnet.createNode({ firewalled: false, ephemeral: false })
  const keys = []
  while (keys.length < SERVERS) {
    const server = node.createServer((connection) => accept(ductOf(connection)))
    await server.listen(DHT.keyPair())
    keys.push(server.publicKey.toString('hex'))
  }
  return JSON.stringify({ bootstrap: testnet.bootstrap, keys })
}

/** Each connection is to a server that the client has not looked up: a client remembers how it reached one. */
export async function client(where) {
  const { bootstrap, keys } = JSON.parse(where)
  const unknown = []
  let node
  const connect = async () => {
    const connection = node.connect(Buffer.from(unknown.pop(), 'hex'))
    const duct = ductOf(connection)
    if (!(await connection.opened)) throw new Error('hyperdht did not connect')
    return { open: async () => duct, close: () => connection.destroy() }
  }
  connect.prepare = async () => {
    if (unknown.length > 0) return
    await node?.destroy({ force: true })
    unknown.push(...keys)
    node = new DHT({ bootstrap, host: '127.0.0.1', firewalled: false })
    await node.fullyBootstrapped()
  }
  return connect
}
