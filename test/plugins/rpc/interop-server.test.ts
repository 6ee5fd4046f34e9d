import matrix from '@matrixai/rpc'
import type { JSONObject, RawHandler, ServerManifest } from '@matrixai/rpc'
import { expect } from 'chai'
import { client, duplex, raw, RpcCode, RpcError, server, unary, type JsonValue } from '#src/kernel/index.js'
import { collect, rejection, textOf } from './harness.js'
import { places, type Peers } from './matrix-peers.js'

interface Value extends JSONObject {
  value: number
}

/** What the handlers saw of their calls. */
interface Seen {
  readonly signals: AbortSignal[]
  readonly inputs: JsonValue[]
}

// Handlers of the package are called without their `this`, but for those that are generators.
/* eslint-disable @typescript-eslint/require-await -- their form */
function handlers({ signals, inputs }: Seen): ServerManifest {
  const aborted = (signal: AbortSignal): Promise<never> =>
    new Promise((_, reject) => {
      signals.push(signal)
      signal.addEventListener('abort', () => {
        reject(signal.reason as Error)
      })
    })
  class Square extends matrix.UnaryHandler<object, Value, Value> {
    override handle = async (input: Value) => {
      inputs.push(input as JsonValue)
      return { value: input.value ** 2 }
    }
  }
  class Sum extends matrix.ClientHandler<object, Value, Value> {
    override handle = async (input: AsyncIterable<Value>) => {
      let sum = 0
      for await (const { value } of input) sum += value
      return { value: sum }
    }
  }
  class Count extends matrix.ServerHandler<object, Value, Value> {
    override async *handle({ value }: Value) {
      for (let i = 0; i < value; i++) yield { value: i }
    }
  }
  class Double extends matrix.DuplexHandler<object, Value, Value> {
    override async *handle(input: AsyncIterable<Value>) {
      for await (const { value } of input) yield { value: value * 2 }
    }
  }
  class Upper extends matrix.RawHandler {
    override handle = async ([{ params }, input]: Parameters<RawHandler['handle']>[0]) => {
      const upper = new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, controller) {
          controller.enqueue(Buffer.from(Buffer.from(chunk).toString().toUpperCase()))
        }
      })
      const title = (params as { title: string }).title
      return [{ length: title.length }, input.pipeThrough(upper)] as never
    }
  }
  class Fails extends matrix.UnaryHandler {
    override handle = async (): Promise<never> => {
      throw new RangeError('too far', { cause: new TypeError('deep') })
    }
  }
  class Hangs extends matrix.UnaryHandler {
    override handle = (_input: unknown, _cancel: unknown, _meta: unknown, { signal }: { signal: AbortSignal }) =>
      aborted(signal)
  }
  class Brief extends Hangs {
    override timeout = 150
  }
  class Drips extends matrix.ServerHandler<object, Value, Value> {
    override async *handle(_input: Value, _cancel: unknown, _meta: unknown, { signal }: { signal: AbortSignal }) {
      yield { value: 1 }
      yield await aborted(signal)
    }
  }
  return {
    square: new Square({}),
    sum: new Sum({}),
    count: new Count({}),
    double: new Double({}),
    upper: new Upper({}),
    fails: new Fails({}),
    hangs: new Hangs({}),
    brief: new Brief({}),
    drips: new Drips({})
  }
}
/* eslint-enable @typescript-eslint/require-await */

const manifest = {
  square: unary<Value, Value>(),
  sum: client<Value, Value>(),
  count: server<Value, Value>(),
  double: duplex<Value, Value>(),
  upper: raw<{ title: string }, { length: number }>(),
  fails: unary(),
  hangs: unary(),
  brief: unary(),
  drips: server<Value, Value>(),
  absent: unary()
}

const values = [1, 2, 3].map((value) => ({ value }))

for (const [place, meet] of places) {
  describe(`rpc: an RPCServer of @matrixai/rpc, called by us, with ${place}`, function () {
    this.timeout(20_000)
    let peers: Peers
    let seen: Seen
    const remote = () => peers.registry.client(peers.connection, manifest)

    beforeEach(async () => {
      seen = { signals: [], inputs: [] }
      peers = await meet()
      await peers.serve(handlers(seen))
    })

    afterEach(() => peers[Symbol.asyncDispose]())

    const aborted = async (count: number): Promise<void> => {
      expect(seen.signals).to.have.length(count)
      for (const signal of seen.signals) {
        if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve))
      }
    }

    it('answers each kind', async () => {
      expect(await remote().square({ value: 12 })).to.deep.equal({ value: 144 })
      expect(await remote().sum(values)).to.deep.equal({ value: 6 })
      expect(await collect(remote().count({ value: 100 }))).to.have.length(100)
      expect(await collect(remote().double(values))).to.deep.equal([{ value: 2 }, { value: 4 }, { value: 6 }])
      const big = Buffer.alloc(200_000, 'a')
      const { result, body } = await remote().upper({ title: 'four' }, [Buffer.from('b'), big])
      expect(result).to.deep.equal({ length: 4 })
      expect(await textOf(body)).to.equal(`B${'A'.repeat(200_000)}`)
    })

    it('answers many calls at a time', async () => {
      const answers = await Promise.all(Array.from({ length: 60 }, (_, value) => remote().square({ value })))
      expect(answers.map(({ value }) => value)).to.deep.equal(Array.from({ length: 60 }, (_, value) => value ** 2))
    })

    it('loses nothing behind the first message of a call, which it would if it came in one chunk', async () => {
      const calls = Array.from({ length: 20 }, (_, i) => remote().sum([...values, { value: i }]))
      const sums = (await Promise.all(calls)).map(({ value }) => value - 6)
      expect(sums).to.deep.equal(Array.from({ length: 20 }, (_, i) => i))
    })

    it('is told how long its caller waits', async () => {
      await remote().square({ value: 1 }, { timer: 5_000 })
      expect(seen.inputs[0]).to.have.nested.property('metadata.timeout').that.is.within(4_000, 5_000)
    })

    it('tells of what its handlers throw: class, message and cause, without the stacks', async () => {
      const error = await rejection(remote().fails(null))
      expect(error).to.be.instanceOf(RpcError)
      expect(error).to.include({ code: 'ERR_RPC', rpcCode: RpcCode.HANDLER_FAILED, message: 'too far' })
      expect(error.data).to.deep.equal({ type: 'RangeError' })
      expect(error.cause).to.include({ message: 'deep' })
    })

    it('gives up a call of a method that it does not have', async () => {
      expect(await rejection(remote().absent(null))).to.include({ code: 'ERR_STREAM_RESET' })
    })

    it("is given up at the caller's deadline, or gives up at its own, whichever is shorter", async () => {
      const [ours, theirs] = await Promise.all([
        rejection(remote().hangs({}, { timer: 150 })),
        rejection(remote().brief(null, { timer: 10_000 }))
      ])
      expect(ours).to.include({ code: 'ERR_RPC_TIMEOUT' })
      expect(theirs).to.include({ code: 'ERR_RPC_TIMEOUT', rpcCode: RpcCode.TIMEOUT })
      await aborted(2)
    })

    it('learns that its caller gave up', async () => {
      const controller = new AbortController()
      const options = { signal: controller.signal }
      const items = remote().drips({ value: 0 }, options)
      const left = remote().drips({ value: 0 })
      await Promise.all([items.next(), left.next()])
      await left.return!()
      controller.abort()
      expect(await rejection(items.next())).to.include({ code: 'ERR_ABORTED' })
      await aborted(2)
    })
  })
}
