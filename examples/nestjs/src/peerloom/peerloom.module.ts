import { Global, Module, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common'
import { DiscoveryModule, DiscoveryService, MetadataScanner } from '@nestjs/core'
import { Node, prepareNode } from 'peerloom'
import { nestLogger } from './logger.js'
import { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN, type PeerloomOptions } from './options.js'
import { rpcHandlers } from './rpc-handlers.js'

/**
 * Runs a node for as long as the application: any provider can inject `Node`, and methods marked with `@RpcHandler`
 * are offered to other nodes.
 *
 * The node starts once the `onModuleInit` of every provider is done, so no peer meets one that is not ready, and runs
 * when the `onApplicationBootstrap` of other modules is called. One that cannot start fails the start of the
 * application with Peerloom's error (`ERR_START`, `ERR_CONFIG`, `ERR_GRAPH`). The node stops when the application
 * closes, after its HTTP server.
 *
 * @example
 * @Module({ imports: [PeerloomModule.forRoot({ port: 4433 })] })
 * export class AppModule {}
 */
// Global modules come first in each step of the start, and last in each step of the shutdown.
@Global()
@Module({
  imports: [DiscoveryModule],
  providers: [
    {
      provide: Node,
      inject: [MODULE_OPTIONS_TOKEN, DiscoveryService, MetadataScanner],
      useFactory: (
        { plugins = [], ...options }: PeerloomOptions,
        discovery: DiscoveryService,
        scanner: MetadataScanner
      ): Node => prepareNode({ log: nestLogger(), ...options, plugins: [...plugins, rpcHandlers(discovery, scanner)] })
    }
  ],
  exports: [Node]
})
export class PeerloomModule extends ConfigurableModuleClass implements OnApplicationBootstrap, OnApplicationShutdown {
  constructor(private readonly node: Node) {
    super()
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.node.start()
  }

  async onApplicationShutdown(): Promise<void> {
    await this.node.stop()
  }
}
