export { fulfil } from './fulfil.js'
export type { PeerloomOptions } from './options.js'
export { PeerloomModule } from './peerloom.module.js'
export { RpcHandler, type RpcHandlerOptions } from './rpc-handler.js'
