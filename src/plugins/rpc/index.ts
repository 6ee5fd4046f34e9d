import { ConnectionPool, definePlugin, RpcRegistry, type Connection } from '../../kernel/index.js'
import { rpcEnvironment } from './environment.js'
import { rpcOptions } from './options.js'
import { Registry } from './registry.js'

export {
  ClientCaller,
  ClientHandler,
  DuplexCaller,
  DuplexHandler,
  RawCaller,
  RawHandler,
  ServerCaller,
  ServerHandler,
  UnaryCaller,
  UnaryHandler,
  type ContainerType,
  type ContextTimed,
  type HandlerTypes,
  type JSONRPCParams,
  type JSONRPCRequest,
  type JSONRPCRequestParams,
  type JSONRPCResponseResult,
  type JSONRPCResult,
  type JSONValue
} from './matrix.js'
export type { RpcOptions } from './options.js'

/** Calls between nodes, in the wire format `peerloom/1` or that of @matrixai/rpc (docs/protocol.md). */
export const rpc = definePlugin({
  name: 'rpc',
  needs: { pool: ConnectionPool },
  provides: { rpc: RpcRegistry },
  config: rpcOptions,
  start({ pool }, context) {
    const { config, events } = context
    const registry = new Registry(rpcEnvironment(context, config, events.emit))
    context.defer(() => {
      registry.close()
    })
    const serve = (connection: Connection): void => {
      registry.serve(connection)
    }
    context.defer(pool.onEarly(serve))
    context.defer(pool.onConnection(serve))
    return { rpc: registry }
  }
})
