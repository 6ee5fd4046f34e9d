import { definePlugin, InvalidInputError, RpcRegistry, unary } from 'peerloom'

interface Value {
  value: number
}

/** The methods, written once: one side offers them, the other is typed by them. */
export const calculatorApi = {
  square: unary<Value, Value>(({ value }) => {
    // The shape of what a peer sends is unproven.
    if (typeof value !== 'number') throw new InvalidInputError('expected { value: number }')
    return { value: value ** 2 }
  })
}

/** Offers the methods on this application's node. */
export const calculator = definePlugin({
  name: 'calculator',
  needs: { rpc: RpcRegistry },
  start({ rpc }) {
    rpc.register(calculatorApi)
  }
})
