export { InjectContract } from './inject-contract.js'
export type { PeerloomOptions } from './options.js'
export { PeerloomModule } from './peerloom.module.js'
export { RpcHandler, type RpcHandlerOptions } from './rpc-handler.js'
