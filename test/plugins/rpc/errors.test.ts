import { expect } from 'chai'
import { client, InvalidInputError, PeerloomError, RpcCode, RpcError, server, unary } from '#src/kernel/index.js'
import { makePair, rejection, type Pair, WAYS } from './harness.js'

for (const [way, options] of WAYS) {
  describe(`rpc: errors (${way})`, () => {
    let pair: Pair
    const fails = (error: unknown) =>
      unary<unknown, never>(() => {
        throw error
      })
    const call = (method: string) =>
      rejection(pair.caller.rpc.client(pair.caller.connection, { [method]: unary() })[method]!(null))

    beforeEach(async () => {
      pair = await makePair({ caller: options, server: options })
    })

    afterEach(() => pair.stop())

    it('keep code, message, data and cause of what a handler chose to throw', async () => {
      const cause = new PeerloomError('ERR_DIAL', 'no answer', {
        cause: new RpcError(-32003, 'busy', { cause: 'text' })
      })
      pair.server.rpc.register({
        own: fails(new RpcError(4711, 'the /own/ message', { data: { a: [1, null] }, cause }))
      })
      const error = await call('own')
      expect(error).to.be.instanceOf(RpcError)
      expect(error).to.include({ code: 'ERR_RPC', rpcCode: 4711, message: 'the /own/ message' })
      expect(error.data).to.deep.equal({ a: [1, null] })
      const first = error.cause as Error & { code: string }
      expect(first).to.include({ code: 'ERR_DIAL', message: 'no answer' })
      expect(first.cause).to.be.instanceOf(RpcError).and.to.include({ rpcCode: -32003, message: 'busy' })
      expect((first.cause as Error).cause).to.include({ message: 'text' })
    })

    it('bound the chain of causes, even one that bites its tail', async () => {
      const ring = new Error('ring')
      ring.cause = ring
      pair.server.rpc.register({ ring: fails(ring) })
      let depth = 0
      for (let error: unknown = await call('ring'); error instanceof Error; error = error.cause) depth++
      expect(depth).to.equal(5)
    })

    it('have the standard codes', async () => {
      pair.server.rpc.register({ picky: fails(new InvalidInputError('value must be a number')) })
      expect(await call('picky')).to.include({ rpcCode: RpcCode.INVALID_PARAMS, message: 'value must be a number' })
      expect(await call('absent')).to.include({
        rpcCode: RpcCode.METHOD_NOT_FOUND,
        message: 'no such method: "absent"'
      })
    })

    it('tell of other failures the message alone: no stack, no path', async () => {
      const messages: Record<string, string> = {
        "ENOENT: no such file or directory, open '/home/me/my secrets/key.json'":
          "ENOENT: no such file or directory, open '[path]'",
        'cannot load /etc/peerloom/key, sorry': 'cannot load [path], sorry',
        'at file:///srv/app/index.js:3:1': 'at [path]',
        'C:\\Users\\me\\key.pem is missing': '[path] is missing',
        'half and/or 1/2 of https://example.org/a/b': 'half and/or 1/2 of https://example.org/a/b'
      }
      for (const [message, told] of Object.entries(messages)) {
        const takeBack = pair.server.rpc.register({ secret: fails(new Error(message, { cause: new Error(message) })) })
        const error = await call('secret')
        expect(error).to.include({ rpcCode: RpcCode.HANDLER_FAILED, message: told })
        expect(error.cause).to.include({ message: told })
        takeBack()
      }
    })

    it('send no stack over the wire', async () => {
      const bytes: Buffer[] = []
      const error = new RpcError(1, 'mine', { cause: new Error('deep') })
      pair.server.connection.cut = (chunk) => {
        bytes.push(Buffer.from(chunk))
        return [chunk]
      }
      pair.server.rpc.register({ stack: fails(error), plain: fails(new Error('plain')) })
      await call('stack')
      await call('plain')
      const wire = Buffer.concat(bytes).toString()
      expect(wire).to.include('mine').and.include('deep').and.include('plain')
      expect(wire).not.to.match(/errors\.test|node_modules|stack|\.js/)
    })

    it('come from anything that can be thrown', async () => {
      const hostile = {
        get message(): string {
          throw new Error('no')
        },
        toString: () => {
          throw new Error('no')
        }
      }
      const notJson = new RpcError(1, 'x', { data: 1n as never })
      const hostileCause = Object.defineProperty(new Error('cause'), 'cause', {
        get() {
          throw new Error('no')
        }
      })
      const proxy: unknown = new Proxy(new Error('proxy'), {
        getPrototypeOf() {
          throw new Error('no')
        }
      })
      const nested = new Error('outer', { cause: proxy })
      for (const thrown of [
        undefined,
        null,
        'text',
        7,
        Symbol('s'),
        hostile,
        notJson,
        hostileCause,
        proxy,
        nested,
        new Error('x'.repeat(10_000))
      ]) {
        const takeBack = pair.server.rpc.register({ odd: fails(thrown) })
        const error = await call('odd')
        expect(error).to.be.instanceOf(RpcError)
        expect(error.message.length).to.be.at.most(1000)
        takeBack()
      }
    })

    it('come in the middle of a stream of messages', async () => {
      const methods = {
        some: server<null, number>(function* () {
          yield 1
          throw new RpcError(RpcCode.FORBIDDEN, 'no more')
        })
      }
      pair.server.rpc.register(methods)
      const items = pair.caller.rpc.client(pair.caller.connection, methods).some(null)
      expect(await items.next()).to.deep.equal({ done: false, value: 1 })
      expect(await rejection(items.next())).to.include({ rpcCode: RpcCode.FORBIDDEN })
      expect(await items.next()).to.have.property('done', true)
    })

    it('tell a method of another kind', async () => {
      pair.server.rpc.register({ many: server<null, number>(() => [1, 2]), one: unary(() => 1) })
      // Alone, it is answered with items; on a lane, there is no room for them.
      const refusal = way === 'on lanes' ? { rpcCode: RpcCode.INVALID_REQUEST } : { code: 'ERR_RPC_PROTOCOL' }
      expect(await call('many')).to.include(refusal)
      const wrong = pair.caller.rpc.client(pair.caller.connection, {
        one: server<null, number>(),
        many: server<null, number>()
      })
      expect(await wrong.one(null).next()).to.have.property('done', true)
      const streaming = pair.caller.rpc.client(pair.caller.connection, { one: client<number, number>() })
      expect(await rejection(streaming.one([1]))).to.include({ rpcCode: RpcCode.INVALID_REQUEST })
    })

    it('refuse what JSON cannot say, and what is too long, before it is sent', async () => {
      const ring: Record<string, unknown> = {}
      ring.ring = ring
      pair.server.rpc.register({
        big: unary(() => 'x'.repeat(5_000_000)),
        ring: unary(() => ring),
        nothing: unary(() => undefined)
      })
      const remote = pair.caller.rpc.client(pair.caller.connection, {
        echo: unary(),
        big: unary(),
        ring: unary(),
        nothing: unary()
      })
      for (const input of [1n, ring, 'x'.repeat(5_000_000)]) {
        expect(await rejection(remote.echo(input))).to.include({ code: 'ERR_INVALID_INPUT' })
      }
      expect(await rejection(remote.big(null))).to.include({ rpcCode: RpcCode.INTERNAL_ERROR })
      expect(await rejection(remote.ring(null))).to.include({ rpcCode: RpcCode.HANDLER_FAILED })
      expect(await remote.nothing(undefined)).to.equal(null)
      await pair.settle()
      expect(pair.clock.pending).to.equal(0)
      expect(pair.caller.connection.streams.size).to.equal(0)
    })
  })
}
