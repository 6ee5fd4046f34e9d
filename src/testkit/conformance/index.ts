export { datagramsConformance, type DatagramsConformanceOptions, type DatagramsPair } from './datagrams.js'
export type { TestRunner } from './runner.js'
export { storeConformance, type StoreConformanceOptions, type StoreUnderTest } from './store.js'
export {
  transportConformance,
  type TransportConformanceOptions,
  type TransportEnd,
  type TransportPair
} from './transport.js'
