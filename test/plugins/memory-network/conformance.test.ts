import { createKernel, Datagrams } from '#src/kernel/index.js'
import { memoryNetwork, MemoryNetwork } from '#src/plugins/memory-network/index.js'
import { datagramsConformance } from '#src/testkit/index.js'

datagramsConformance({
  name: 'memory-network',
  async create() {
    const network = new MemoryNetwork()
    const kernels = ['10.0.0.1', '10.0.0.2'].map((host) =>
      createKernel({ plugins: [memoryNetwork.with({ network, host })] })
    )
    await Promise.all(kernels.map((kernel) => kernel.start()))
    const [a, b] = kernels.map((kernel) => kernel.resolve(Datagrams))
    return {
      a: a!,
      b: b!,
      async stop() {
        await Promise.all(kernels.map((kernel) => kernel.stop()))
      }
    }
  },
  describe,
  it
})
