import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { memory } from '@libp2p/memory'
import { createLibp2p } from 'libp2p'

const node = await createLibp2p({
  addresses: { listen: ['/memory/node'] },
  transports: [memory()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()]
})
await node.stop()
process.exit(0)
