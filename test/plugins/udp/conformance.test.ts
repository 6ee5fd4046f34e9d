import { createKernel, Datagrams } from '#src/kernel/index.js'
import { udp } from '#src/plugins/udp/index.js'
import { datagramsConformance } from '#src/testkit/index.js'

for (const host of ['127.0.0.1', '::']) {
  datagramsConformance({
    name: `udp at ${host}`,
    async create() {
      const kernels = [1, 2].map(() => createKernel({ plugins: [udp.with({ host })] }))
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
}
