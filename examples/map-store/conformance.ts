// Run it with Node's own test runner: node --test build/examples/map-store/conformance.js
import { describe, it } from 'node:test'
import { createKernel, Store } from 'peerloom'
import { storeConformance } from 'peerloom/testkit'
import { mapStore } from './index.js'

storeConformance({
  name: 'acme-map-store',
  async create() {
    const kernel = createKernel({ plugins: [mapStore] })
    await kernel.start()
    return { store: kernel.resolve(Store), stop: () => kernel.stop() }
  },
  describe,
  it
})
