import { Global, Module, type DynamicModule, type OnApplicationShutdown } from '@nestjs/common'
import { DiscoveryModule } from '@nestjs/core'
import { createNode, Node, type AnyToken } from 'peerloom'
import { nestLogger } from './logger.js'
import { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN, type PeerloomOptions } from './options.js'
import { RpcHandlers } from './rpc-handlers.js'

/**
 * Runs a node for as long as the application. Whatever injects `Node` is built once the node has started, and
 * methods marked with `@RpcHandler` are offered to other nodes.
 *
 * A node that cannot start fails the start of the application with Peerloom's error (`ERR_START`, `ERR_CONFIG`,
 * `ERR_GRAPH`). The node stops when the application closes, after its HTTP server.
 *
 * @example
 * @Module({ imports: [PeerloomModule.forRoot({ port: 4433 })] })
 * export class AppModule {}
 */
@Global()
@Module({
  imports: [DiscoveryModule],
  providers: [
    RpcHandlers,
    {
      provide: Node,
      inject: [MODULE_OPTIONS_TOKEN, RpcHandlers],
      useFactory: ({ plugins = [], ...options }: PeerloomOptions, handlers: RpcHandlers): Promise<Node> =>
        createNode({ log: nestLogger(), ...options, plugins: [...plugins, handlers.plugin()] })
    }
  ],
  exports: [Node]
})
export class PeerloomModule extends ConfigurableModuleClass implements OnApplicationShutdown {
  constructor(private readonly node: Node) {
    super()
  }

  /**
   * Makes these contracts available to `@InjectContract` in the module that imports it. One that no plugin provides
   * fails the start with `ERR_GRAPH`.
   */
  static forContracts(...tokens: AnyToken[]): DynamicModule {
    const providers = tokens.map((token) => ({
      provide: token,
      inject: [Node],
      useFactory: (node: Node): unknown => node.kernel.resolve(token)
    }))
    return { module: PeerloomContracts, providers, exports: tokens }
  }

  async onApplicationShutdown(): Promise<void> {
    await this.node.stop()
  }
}

@Module({})
class PeerloomContracts {}
