import type { TestContext } from 'node:test'
import {
  createNode,
  definePlugin,
  MemoryNetwork,
  memoryNetwork,
  memoryTransport,
  RpcRegistry,
  unary,
  type NodeOptions,
  type Plugin
} from 'peerloom'
import { createApp, type AppOptions } from '../src/app.js'

/** Applications and bare nodes that meet on a network in this process; they end with the test. */
export function meeting(test: TestContext) {
  const network = new MemoryNetwork()
  let hosts = 0
  const place = (): Plugin[] => [memoryNetwork.with({ network, host: `10.0.0.${++hosts}` }), memoryTransport]
  return {
    app: async ({ node, ...options }: AppOptions = {}) => {
      const app = createApp({ ...options, node: { ...node, plugins: [...(node?.plugins ?? []), ...place()] } })
      test.after(() => app.close())
      await app.ready()
      return app
    },
    node: async ({ plugins = [], ...options }: NodeOptions = {}) => {
      const node = await createNode({ ...options, plugins: [...plugins, ...place()] })
      test.after(() => node.stop())
      return node
    }
  }
}

/** A calculator that never answers. `called` resolves when it is called, `cancelled` when that call ends, with why. */
export function stuckCalculator() {
  let call = (): void => undefined
  let cancel = (_reason: unknown): void => undefined
  const called = new Promise<void>((resolve) => (call = resolve))
  const cancelled = new Promise<unknown>((resolve) => (cancel = resolve))
  const plugin = definePlugin({
    name: 'stuck-calculator',
    needs: { rpc: RpcRegistry },
    start({ rpc }) {
      rpc.register({
        square: unary<unknown, never>((_input, { signal }) => {
          call()
          signal.addEventListener('abort', () => cancel(signal.reason))
          return new Promise<never>(() => undefined)
        })
      })
    }
  })
  return { plugin, called, cancelled }
}
