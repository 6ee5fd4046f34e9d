import type { DiscoveryService, MetadataScanner } from '@nestjs/core'
import { definePlugin, KernelError, RpcRegistry, type AnyMethod, type Plugin } from 'peerloom'
import { RPC_HANDLER, type RpcHandlerMetadata } from './rpc-handler.js'

type InstanceWrapper = ReturnType<DiscoveryService['getProviders']>[number]

/**
 * Offers the methods marked with `@RpcHandler`. As a plugin, so that the kernel takes them back when the node stops,
 * and offers them again if `rpc` restarts. It looks for them when it starts: by then all providers have been built.
 */
export function rpcHandlers(discovery: DiscoveryService, scanner: MetadataScanner): Plugin {
  return definePlugin({
    name: 'nest-handlers',
    needs: { rpc: RpcRegistry },
    start({ rpc }) {
      for (const owner of [...discovery.getProviders(), ...discovery.getControllers()]) {
        // One by one, so that a name that is used twice is refused.
        for (const [name, method] of methodsOf(owner, scanner)) rpc.register({ [name]: method })
      }
    }
  })
}

function* methodsOf(owner: InstanceWrapper, scanner: MetadataScanner): Generator<[string, AnyMethod]> {
  const instance: unknown = owner.instance
  if (owner.isAlias || typeof instance !== 'object' || instance === null) return
  for (const key of scanner.getAllMethodNames(Reflect.getPrototypeOf(instance))) {
    const handler = Reflect.get(instance, key) as (...parameters: unknown[]) => unknown
    const metadata = Reflect.getMetadata(RPC_HANDLER, handler) as RpcHandlerMetadata | undefined
    if (metadata === undefined) continue
    if (owner.isTransient || !owner.isDependencyTreeStatic()) {
      const place = `@RpcHandler on ${String(owner.name)}.${key}`
      throw new KernelError('ERR_PLUGIN', `${place}: the provider must be a singleton, and all that it injects too`)
    }
    const { name, method, input } = metadata
    yield [name, { ...method, input, handle: handler.bind(instance) } as AnyMethod]
  }
}
