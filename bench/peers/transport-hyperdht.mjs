import DHT from 'hyperdht'
import createTestnet from 'hyperdht/testnet.js'

export async function serve(_, accept) {
  const testnet = await createTestnet(3, { host: '127.0.0.1' })
  // Firewalled nodes would punch towards themselves.
  const node = testnet.createNode({ firewalled: false, ephemeral: false })
  const server = node.createServer((connection) => accept(ductOf(connection)))
  await server.listen()
  return JSON.stringify({ bootstrap: testnet.bootstrap, key: server.publicKey.toString('hex') })
}

export async function client(where) {
  const { bootstrap, key } = JSON.parse(where)
  const node = new DHT({ bootstrap, host: '127.0.0.1', firewalled: false })
  await node.fullyBootstrapped()
  return async () => {
    const connection = node.connect(Buffer.from(key, 'hex'))
    const duct = ductOf(connection)
    if (!(await connection.opened)) throw new Error('hyperdht did not connect')
    return {
      // A connection is one stream; whoever wants several runs them over it.
      open: async () => duct,
      close: () => connection.destroy()
    }
  }
}

export function ductOf(connection) {
  const duct = {
    write: (chunk) => connection.write(chunk),
    drained: () => new Promise((resolve) => connection.once('drain', resolve)),
    onData: () => undefined,
    // One connection carries all exchanges, one after another.
    end: () => undefined
  }
  connection.on('data', (chunk) => duct.onData(chunk))
  connection.on('error', () => undefined)
  return duct
}
