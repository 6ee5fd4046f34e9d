import { expect } from 'chai'
import { client, duplex, raw, RpcError, server, unary, type RpcErrorOptions } from '#src/kernel/index.js'
import { collect, makePair, rejection, textOf, type Pair } from './harness.js'

class OutOfStock extends RpcError {
  static readonly rpcCode: number = 1001
  override readonly name = 'OutOfStock'
  constructor(message: string, options?: RpcErrorOptions) {
    super(OutOfStock.rpcCode, message, options)
  }
}

const madeInASecretPlace = (): never => {
  throw new OutOfStock('none left', { data: { item: 'apple' }, cause: new RpcError(7, 'the tree is bare') })
}

describe('rpc: classes of errors', () => {
  let pair: Pair

  beforeEach(async () => {
    pair = await makePair()
  })

  afterEach(() => pair.stop())

  const handlers = {
    unary: unary<null, null>(madeInASecretPlace),
    client: client<null, null>(madeInASecretPlace),
    server: server<null, null>(function* () {
      yield null
      madeInASecretPlace()
    }),
    duplex: duplex<null, null>(madeInASecretPlace),
    raw: raw<null, null>(madeInASecretPlace),
    rawLater: raw<null, null>(() => ({
      result: null,
      body: (function* () {
        yield Uint8Array.of(1)
        madeInASecretPlace()
      })()
    }))
  }

  it('are what errors arrive as, in calls of every kind, with message, data and cause', async () => {
    pair.server.rpc.register(handlers)
    const { connection, rpc } = pair.caller
    const errors = [OutOfStock]
    const known = Object.fromEntries(Object.entries(handlers).map(([name, m]) => [name, { ...m, errors }]))
    for (const remote of [
      rpc.client(connection, handlers, { errors }),
      rpc.client(connection, known as unknown as typeof handlers)
    ]) {
      const calls = [
        remote.unary(null),
        remote.client([]),
        collect(remote.server(null)),
        collect(remote.duplex([])),
        remote.raw(null, []),
        remote.rawLater(null, []).then(({ body }) => textOf(body))
      ]
      for (const error of await Promise.all(calls.map(rejection))) {
        expect(error).to.be.instanceOf(OutOfStock)
        expect(error).to.include({ rpcCode: 1001, message: 'none left', name: 'OutOfStock', code: 'ERR_RPC' })
        expect(error.data).to.deep.equal({ item: 'apple' })
        expect(error.cause).to.be.instanceOf(RpcError).and.to.include({ rpcCode: 7, message: 'the tree is bare' })
        expect(error.stack).not.to.contain('SecretPlace')
      }
    }
  })

  it('leave errors alone that they are not for', async () => {
    pair.server.rpc.register(handlers)
    const { connection, rpc } = pair.caller
    class Throws extends OutOfStock {
      constructor(message: string) {
        super(message)
        throw new Error('of the constructor')
      }
    }
    class Other extends OutOfStock {
      static override readonly rpcCode = 1002
    }
    for (const errors of [[Throws], [Other], []]) {
      const error = await rejection(rpc.client(connection, handlers, { errors }).unary(null))
      expect(error).to.include({ rpcCode: 1001, message: 'none left', name: 'RpcError' })
      expect(error).not.to.be.instanceOf(OutOfStock)
    }
    const missing = rpc.client(connection, { missing: unary() }, { errors: [OutOfStock] })
    expect(await rejection(missing.missing(null))).to.include({ rpcCode: -32601, name: 'RpcError' })
  })

  it('are refused without a code, with a reserved one, or if two have the same', () => {
    const withCode = (rpcCode: unknown) => Object.assign(class extends OutOfStock {}, { rpcCode })
    for (const errors of [
      [withCode(undefined)],
      [withCode(1.5)],
      [withCode(-32000)],
      [withCode(-32768)],
      [OutOfStock, withCode(1001)],
      [7],
      [null]
    ]) {
      const refused = (work: () => unknown) =>
        expect(work, String(errors)).to.throw().with.property('code', 'ERR_INVALID_INPUT')
      refused(() => pair.server.rpc.register({ x: unary(() => 1, { errors: errors as never }) }))
      refused(() => pair.caller.rpc.client(pair.caller.connection, { x: unary() }, { errors: errors as never }))
    }
    pair.server.rpc.register({ x: unary(() => 1, { errors: [withCode(-31999) as never, withCode(-32769) as never] }) })
  })
})
