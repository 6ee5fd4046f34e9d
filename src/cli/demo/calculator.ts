import {
  client,
  definePlugin,
  duplex,
  raw,
  RpcError,
  RpcCode,
  RpcRegistry,
  server,
  unary,
  type AnyIterable
} from '../../index.js'

export interface Value {
  readonly value: number
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()

function factorial(n: number): number {
  return n <= 1 ? 1 : n * factorial(n - 1)
}

async function* factorials(body: AnyIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    const number = Number(decoder.decode(chunk))
    if (!Number.isInteger(number) || number < 0 || number > 170) {
      throw new RpcError(RpcCode.INVALID_PARAMS, 'expected an integer from 0 to 170')
    }
    yield encoder.encode(String(factorial(number)))
  }
}

/** One method of each of the five kinds of call. The same map types the caller's side. */
export const methods = {
  SquaredNumberUnary: unary<Value, Value>(({ value }) => ({ value: value ** 2 })),
  AccumulateClient: client<Value, Value>(async (numbers) => {
    let sum = 0
    for await (const { value } of numbers) sum += value
    return { value: sum }
  }),
  CountServer: server<Value, Value>(function* ({ value }) {
    for (let next = value; next < value + 5; next++) yield { value: next }
  }),
  EchoDuplex: duplex<Value, Value>(async function* (messages) {
    for await (const message of messages) yield message
  }),
  FactorialRaw: raw<{ readonly start: boolean }, string>((_input, body) => ({
    result: 'Starting factorial computation',
    body: factorials(body)
  }))
}

/** What an application is: a plugin that offers its methods. */
export const calculator = definePlugin({
  name: 'calculator',
  needs: { rpc: RpcRegistry },
  start({ rpc }) {
    rpc.register(methods)
  }
})
