import {
  ClientHandler,
  DuplexHandler,
  RawHandler,
  ServerHandler,
  UnaryHandler,
  type CallMeta,
  type ContainerType,
  type ContextTimed,
  type JSONRPCParams,
  type JSONRPCRequest,
  type JSONRPCResult,
  type JSONValue
} from 'peerloom'

/** One number in, its square out. */
export class SquaredNumberUnary extends UnaryHandler<
  ContainerType,
  JSONRPCParams<{ value: number }>,
  JSONRPCResult<{ value: number }>
> {
  public override handle = async (
    input: JSONRPCParams<{ value: number }>,
    _cancel: (reason?: unknown) => void,
    _meta: CallMeta | undefined,
    _ctx: ContextTimed
  ): Promise<JSONRPCResult<{ value: number }>> => {
    return { value: input.value ** 2 }
  }
}

/** Many numbers in, their sum out. */
export class AccumulateClient extends ClientHandler<
  ContainerType,
  JSONRPCParams<{ value: number }>,
  JSONRPCResult<{ value: number }>
> {
  public override handle = async (
    input: AsyncIterableIterator<JSONRPCParams<{ value: number }>>,
    _cancel: (reason?: unknown) => void,
    _meta: CallMeta | undefined,
    _ctx: ContextTimed
  ): Promise<JSONRPCResult<{ value: number }>> => {
    let acc = 0
    for await (const number of input) {
      acc += number.value
    }
    return { value: acc }
  }
}

/** One number in, it and the four after it out. */
export class CountServer extends ServerHandler<
  ContainerType,
  JSONRPCParams<{ value: number }>,
  JSONRPCResult<{ value: number }>
> {
  public override handle = async function* (
    input: JSONRPCParams<{ value: number }>,
    _cancel: (reason?: unknown) => void,
    _meta: CallMeta | undefined,
    _ctx: ContextTimed
  ): AsyncIterableIterator<JSONRPCResult<{ value: number }>> {
    for (let i = input.value; i < input.value + 5; i++) {
      yield { value: i }
    }
  }
}

/** Whatever comes in goes out. */
export class EchoDuplex extends DuplexHandler<
  ContainerType,
  JSONRPCParams<{ value: number }>,
  JSONRPCResult<{ value: number }>
> {
  public override handle = async function* (
    input: AsyncIterableIterator<JSONRPCParams<{ value: number }>>,
    _cancel: (reason?: unknown) => void,
    _meta: CallMeta | undefined,
    _ctx: ContextTimed
  ): AsyncIterableIterator<JSONRPCResult<{ value: number }>> {
    for await (const incomingData of input) {
      yield incomingData
    }
  }
}

/** Each chunk in is a number in text; its factorial, in text, goes out. */
export class FactorialRaw extends RawHandler {
  public override handle = async (
    [_request, inputStream]: [JSONRPCRequest, ReadableStream<Uint8Array>],
    _cancel: (reason?: unknown) => void,
    _meta: CallMeta | undefined,
    _ctx: ContextTimed
  ): Promise<[JSONValue, ReadableStream<Uint8Array>]> => {
    function factorialOf(n: number): number {
      return n <= 1 ? 1 : n * factorialOf(n - 1)
    }

    const factorials = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        const num = parseInt(new TextDecoder().decode(chunk), 10)
        // A peer's number is not to be trusted: a huge one would overflow the stack.
        if (!(num >= 0 && num <= 170)) throw new RangeError('expected a number from 0 to 170')
        controller.enqueue(new TextEncoder().encode(factorialOf(num).toString()))
      }
    })
    return ['Starting factorial computation', inputStream.pipeThrough(factorials)]
  }
}
