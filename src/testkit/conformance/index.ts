export { datagramsConformance, type DatagramsConformanceOptions, type DatagramsPair } from './datagrams.js'
export { exposing } from './provided.js'
export { routerConformance, type RouterConformanceOptions, type RouterNetwork, type RouterNode } from './router.js'
export {
  rpcRegistryConformance,
  type RpcEnd,
  type RpcPair,
  type RpcRegistryConformanceOptions
} from './rpc-registry.js'
export type { TestRunner } from './runner.js'
export { storeConformance, type StoreConformanceOptions, type StoreUnderTest } from './store.js'
export type { Timed } from './timed.js'
export {
  transportPathsConformance,
  type PathsEnd,
  type PathsPair,
  type TransportPathsConformanceOptions
} from './transport-paths.js'
export {
  transportConformance,
  type TransportConformanceOptions,
  type TransportEnd,
  type TransportPair
} from './transport.js'
