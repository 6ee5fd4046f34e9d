import matrix from '@matrixai/rpc'
import type { JSONObject } from '@matrixai/rpc'
import { expect } from 'chai'
import { client, duplex, raw, RpcCode, RpcError, server, unary, type CallContext } from '#src/kernel/index.js'
import { collect, methods, rejection, textOf } from './harness.js'
import { places, type Peers } from './matrix-peers.js'

interface Value extends JSONObject {
  value: number
}

const manifest = {
  square: new matrix.UnaryCaller<Value, Value>(),
  sum: new matrix.ClientCaller<Value, Value>(),
  count: new matrix.ServerCaller<Value, Value>(),
  double: new matrix.DuplexCaller<Value, Value>(),
  upper: new matrix.RawCaller(),
  fails: new matrix.UnaryCaller<Value, Value>(),
  hangs: new matrix.UnaryCaller<Value, Value>(),
  brief: new matrix.UnaryCaller<Value, Value>(),
  file: new matrix.RawCaller(),
  drips: new matrix.ServerCaller<Value, Value>(),
  absent: new matrix.UnaryCaller<Value, Value>()
}

for (const [place, meet] of places) {
  describe(`rpc: an RPCClient of @matrixai/rpc, answered by us, with ${place}`, function () {
    this.timeout(20_000)
    let peers: Peers
    let contexts: CallContext[]
    const remote = () => peers.client(manifest).methods

    const hang = (context: CallContext): Promise<never> => {
      contexts.push(context)
      return new Promise(() => undefined)
    }

    beforeEach(async () => {
      contexts = []
      peers = await meet()
      peers.registry.register({
        square: methods.square,
        sum: client<Value, Value>(async (input) => {
          let sum = 0
          for await (const { value } of input) sum += value
          return { value: sum }
        }),
        count: server<Value, Value>(function* ({ value }) {
          for (let i = 0; i < value; i++) yield { value: i }
        }),
        double: duplex<Value, Value>(async function* (input) {
          for await (const { value } of input) yield { value: value * 2 }
        }),
        upper: methods.upper,
        file: raw<null, null>(() => ({ result: null, body: [Buffer.from('one'), Buffer.from('two')] })),
        fails: unary<Value, Value>(() => {
          throw new RpcError(4711, 'too far', { cause: new Error('deep') })
        }),
        hangs: unary((_input: Value, context) => hang(context)),
        brief: unary((_input: Value, context) => hang(context), { timeoutMs: 150 }),
        drips: server<Value, Value>(async function* (_input, context) {
          yield { value: 1 }
          yield await hang(context)
        })
      })
    })

    afterEach(() => peers[Symbol.asyncDispose]())

    const aborted = async (count: number): Promise<void> => {
      expect(contexts).to.have.length(count)
      for (const { signal } of contexts) {
        if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve))
      }
    }

    it('is answered each kind', async () => {
      expect(await remote().square({ value: 12 })).to.deep.equal({ value: 144 })
      expect((await collect(await remote().count({ value: 100 }))).map(({ value }) => value)).to.have.length(100)

      const { output, writable } = await remote().sum()
      const summands = writable.getWriter()
      for (const value of [1, 2, 3]) await summands.write({ value })
      await summands.close()
      expect(await output).to.deep.equal({ value: 6 })

      const talk = await remote().double()
      const writer = talk.writable.getWriter()
      const reader = talk.readable.getReader()
      for (const value of [1, 2]) {
        await writer.write({ value })
        expect((await reader.read()).value).to.deep.equal({ value: value * 2 })
      }
      await writer.close()
      expect((await reader.read()).done).to.equal(true)

      const bytes = await remote().upper({ title: 'four' })
      expect(bytes.meta?.result).to.deep.equal({ length: 4 })
      const bodyWriter = bytes.writable.getWriter()
      const text = textOf(bytes.readable)
      await bodyWriter.write(Buffer.from('abc'))
      await bodyWriter.close()
      expect(await text).to.equal('ABC')
    })

    it('takes the bytes behind the head of a raw answer, which it would not if they came in one chunk', async () => {
      const file = await remote().file(null)
      expect(await textOf(file.readable)).to.equal('onetwo')
      await file.writable.close()
    })

    it('is answered one call after the other, and no stream is left', async () => {
      for (let value = 0; value < 50; value++) {
        expect(await remote().square({ value })).to.deep.equal({ value: value ** 2 })
      }
      while (peers.connection.stats().streams > 0) await new Promise((resolve) => setTimeout(resolve, 5))
    })

    it('is told of what a handler throws, without a stack', async () => {
      const error = await rejection(remote().fails({ value: 1 }))
      expect(error.name).to.equal('ErrorRPCRemote')
      const cause = error.cause as Error
      expect(cause).to.include({ message: 'too far', stack: '' })
      expect(cause.cause).to.include({ message: 'deep', stack: '' })
    })

    it('is told of a method that we do not have', async () => {
      const error = await rejection(remote().absent({ value: 1 }))
      expect((error.cause as Error).message).to.equal('no such method: "absent"')
    })

    it('has the deadline of the shorter side', async () => {
      const [theirs, ours] = await Promise.all([
        rejection(remote().hangs({ value: 1 }, { timer: 200 })),
        rejection(remote().brief({ value: 1 }, { timer: 10_000 }))
      ])
      for (const error of [theirs, ours]) {
        expect([error.name, (error.cause as Error | undefined)?.name]).to.include('ErrorRPCTimedOut')
      }
      await aborted(2)
      for (const { signal, timer } of contexts) {
        expect(signal.reason).to.include({ rpcCode: RpcCode.TIMEOUT })
        expect(timer.timeoutMs).to.be.within(140, 200)
      }
    })

    it('gives a call up, which its handler learns', async () => {
      const reader = (await remote().drips({ value: 1 })).getReader()
      expect((await reader.read()).value).to.deep.equal({ value: 1 })
      await reader.cancel()
      await aborted(1)
      expect(contexts[0]!.signal.reason).to.include({ rpcCode: RpcCode.CANCELLED })
    })
  })
}
