import { createNode, memoryNetwork, memoryTransport } from 'peerloom'

const node = await createNode({ plugins: [memoryNetwork, memoryTransport] })
await node.stop()
process.exit(0)
