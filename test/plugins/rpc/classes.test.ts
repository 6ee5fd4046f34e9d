import { expect } from 'chai'
import {
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
  type JSONRPCResult,
  type JSONValue
} from '#src/plugins/rpc/index.js'
import { RpcCode, type CallContext, type CallMeta } from '#src/kernel/index.js'
import { nodeId } from './double.js'
import { collect, makePair, rejection, textOf, type Pair } from './harness.js'

// As a user of @matrixai/rpc writes them: a property without `override`.
class Square extends UnaryHandler<ContainerType, JSONRPCParams<{ value: number }>, JSONRPCResult<{ value: number }>> {
  public handle = async (
    input: JSONRPCParams<{ value: number }>,
    cancel: (reason?: unknown) => void,
    meta: Record<string, JSONValue> | undefined,
    ctx: ContextTimed
  ): Promise<JSONRPCResult<{ value: number }>> => {
    await Promise.resolve()
    if (meta === undefined || ctx.signal.aborted) cancel('nobody asks')
    return { value: input.value ** 2 }
  }
}

class Accumulate extends ClientHandler<{ start: number }, { value: number }, { value: number }> {
  // A method, with `override`.
  override async handle(input: AsyncIterableIterator<{ value: number }>): Promise<{ value: number }> {
    let value = this.container.start
    for await (const item of input) value += item.value
    return { value }
  }
}

class Count extends ServerHandler<ContainerType, { number: number }, { value: number }> {
  public override handle = async function* (input: { number: number }): AsyncIterableIterator<{ value: number }> {
    await Promise.resolve()
    for (let value = input.number; value < input.number + 3; value++) yield { value }
  }
}

class Echo extends DuplexHandler<ContainerType, { value: number }, { value: number }> {
  public override handle = async function* (
    input: AsyncIterableIterator<{ value: number }>
  ): AsyncIterableIterator<{ value: number }> {
    // The first may have the caller's limit beside its value.
    for await (const { value } of input) yield { value }
  }
}

class Upper extends RawHandler {
  public override handle = async ([request, input]: [JSONRPCRequest, ReadableStream<Uint8Array>]): Promise<
    [JSONValue, ReadableStream<Uint8Array>]
  > => {
    await Promise.resolve()
    const upper = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        controller.enqueue(Buffer.from(Buffer.from(chunk).toString().toUpperCase()))
      }
    })
    return [{ method: request.method, params: request.params ?? null }, input.pipeThrough(upper)]
  }
}

class WhoAmI extends UnaryHandler<ContainerType, null, { nodeId: string; limited: boolean }> {
  override timeout = 1234
  override handle = (_input: null, _cancel: unknown, meta: CallMeta | undefined, ctx: CallContext) =>
    Promise.resolve({ nodeId: meta?.nodeId ?? '', limited: ctx.timer.timeoutMs === 1234 && !ctx.signal.aborted })
}

class Refuse extends UnaryHandler<ContainerType, null, null> {
  override handle = (_input: null, cancel: (reason?: unknown) => void): Promise<null> => {
    cancel('not today')
    return Promise.resolve(null)
  }
}

type SquareTypes = HandlerTypes<Square>

for (const protocol of ['peerloom/1', 'matrixai-rpc/1']) {
  describe(`rpc: handlers and callers as classes, in ${protocol}`, () => {
    let pair: Pair

    beforeEach(async () => {
      pair = await makePair({ protocol })
      pair.server.rpc.register({
        square: new Square({}),
        accumulate: new Accumulate({ start: 10 }),
        count: new Count({}),
        echo: new Echo({}),
        upper: new Upper({}),
        who: new WhoAmI({}),
        refuse: new Refuse({})
      })
    })

    afterEach(() => pair.stop())

    it('answers each kind', async () => {
      const remote = pair.caller.rpc.client(pair.caller.connection, {
        square: new UnaryCaller<SquareTypes['input'], SquareTypes['output']>(),
        accumulate: new ClientCaller<{ value: number }, { value: number }>(),
        count: new ServerCaller<{ number: number }, { value: number }>(),
        echo: new DuplexCaller<{ value: number }, { value: number }>(),
        upper: new RawCaller()
      })
      const squared: number = (await remote.square({ value: 12 })).value
      expect(squared).to.equal(144)
      expect(await remote.accumulate([{ value: 1 }, { value: 2 }])).to.deep.equal({ value: 13 })
      expect(await collect(remote.count({ number: 5 }))).to.deep.equal([{ value: 5 }, { value: 6 }, { value: 7 }])
      expect(await collect(remote.echo([{ value: 1 }, { value: 2 }]))).to.deep.equal([{ value: 1 }, { value: 2 }])
      const { result, body } = await remote.upper(['x'], [Buffer.from('raw '), Buffer.from('bytes')])
      expect(result).to.deep.equal({ method: 'upper', params: ['x'] })
      expect(await textOf(body)).to.equal('RAW BYTES')
    })

    it('knows each kind by its class', () => {
      const kinds = pair.server.rpc.methods.map(({ name, kind }) => `${name}: ${kind}`)
      expect(kinds).to.deep.equal([
        'square: unary',
        'accumulate: client',
        'count: server',
        'echo: duplex',
        'upper: raw',
        'who: unary',
        'refuse: unary'
      ])
    })

    it('tells who calls and how long it may take, and lets the handler cancel', async () => {
      const remote = pair.caller.rpc.client(pair.caller.connection, {
        who: new UnaryCaller<null, { nodeId: string; limited: boolean }>(),
        refuse: new UnaryCaller<null, null>()
      })
      expect(await remote.who(null)).to.deep.equal({ nodeId: nodeId(1), limited: true })
      const error = await rejection(remote.refuse(null))
      expect(error).to.include({ rpcCode: RpcCode.CANCELLED, message: 'not today' })
    })
  })
}
