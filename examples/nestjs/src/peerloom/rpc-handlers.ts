import { Injectable, type OnApplicationBootstrap } from '@nestjs/common'
import { DiscoveryService, MetadataScanner } from '@nestjs/core'
import { definePlugin, KernelError, RpcRegistry, type AnyMethod, type Plugin } from 'peerloom'
import { checkedHandler } from './checked-handler.js'
import { RPC_HANDLER, type RpcHandlerMetadata } from './rpc-handler.js'

type Handle = (...parameters: unknown[]) => unknown
type InstanceWrapper = ReturnType<DiscoveryService['getProviders']>[number]

interface Found extends RpcHandlerMetadata {
  readonly owner: InstanceWrapper
  readonly key: string
}

/** Finds the methods marked with `@RpcHandler` and offers them. */
@Injectable()
export class RpcHandlers implements OnApplicationBootstrap {
  readonly #found: Found[] = []
  #open = (): void => undefined
  readonly #ready = new Promise<void>((resolve) => (this.#open = resolve))

  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner
  ) {}

  /** As a plugin, so that the kernel takes the methods back when the node stops, and offers them again if `rpc` restarts. */
  plugin(): Plugin {
    // The node starts while providers are still being built, so only their classes are looked at.
    const owners = [...this.discovery.getProviders(), ...this.discovery.getControllers()]
    this.#found.push(...owners.flatMap((owner) => this.#findIn(owner)))
    return definePlugin({
      name: 'nest-handlers',
      needs: { rpc: RpcRegistry },
      start: ({ rpc }) => {
        // One by one, so that a name that is used twice is refused.
        for (const found of this.#found) rpc.register({ [found.name]: this.#method(found) })
      }
    })
  }

  /** Calls that came while the application was starting go on from here. */
  onApplicationBootstrap(): void {
    for (const { owner, key } of this.#found) {
      if (!owner.isTransient && owner.isDependencyTreeStatic()) continue
      const place = `@RpcHandler on ${String(owner.name)}.${key}`
      throw new KernelError('ERR_PLUGIN', `${place}: the provider must be a singleton, and all that it injects too`)
    }
    this.#open()
  }

  #findIn(owner: InstanceWrapper): Found[] {
    if (owner.isNotMetatype) return []
    const prototype = owner.metatype?.prototype as object
    return this.scanner.getAllMethodNames(prototype).flatMap((key) => {
      const method = Reflect.get(prototype, key) as Handle
      const metadata = Reflect.getMetadata(RPC_HANDLER, method) as RpcHandlerMetadata | undefined
      return metadata === undefined ? [] : [{ ...metadata, owner, key }]
    })
  }

  #method({ owner, key, method, input }: Found): AnyMethod {
    const handler = async (): Promise<Handle> => {
      await this.#ready
      const instance = owner.instance as object
      return (Reflect.get(instance, key) as Handle).bind(instance)
    }
    return { ...method, handle: checkedHandler(method.kind, handler, input) } as AnyMethod
  }
}
