import { definePlugin, RpcRegistry, unary } from 'peerloom'
import { z } from 'zod'

const value = z.object({ value: z.number() })

/** The methods, written once: one side offers them, the other is typed by them. */
export const calculatorApi = {
  // The shape of what a peer sends is unproven: each side checks what the other has sent.
  square: unary({ input: value, output: value }, ({ value }) => ({ value: value ** 2 }))
}

/** Offers the methods on this application's node. */
export const calculator = definePlugin({
  name: 'calculator',
  needs: { rpc: RpcRegistry },
  start({ rpc }) {
    rpc.register(calculatorApi)
  }
})
