import { meeting, get, start } from './fixture.js'
import { Injectable, Module } from '@nestjs/common'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { firstValueFrom, switchMap } from 'rxjs'
import { createNode, definePlugin, Node, NodeId, rpc, RpcCode, RpcError, RpcRegistry, token, unary } from 'peerloom'
import { AppModule } from '../src/app.module.js'
import { calculatorApi } from '../src/calculator/api.js'
import { fulfil, PeerloomModule, RpcHandler } from '../src/peerloom/index.js'

const stockApi = { count: unary<null, number>() }
const nobody = NodeId.fromBytes(new Uint8Array(32).fill(9))

test('an application has another one do the work, over QUIC', { timeout: 20_000 }, async (t) => {
  const alice = (await start(t, AppModule.with({ host: '127.0.0.1' }))).get(Node)
  const bob = await start(t, AppModule.with({ host: '127.0.0.1', seeds: [alice.contact] }))
  assert.deepEqual(await get(bob, `/peers/${alice.id}/square?value=12`), { status: 200, body: { value: 144 } })
})

test('an application looks a peer up', { timeout: 20_000 }, async (t) => {
  const place = meeting()
  const alice = (await start(t, AppModule.with(place()))).get(Node)
  const bob = (await start(t, AppModule.with({ ...place(), seeds: [alice.contact] }))).get(Node)
  const carol = await start(t, AppModule.with({ ...place(), seeds: [alice.contact] }))
  await bob.connect(alice.contact)
  assert.deepEqual(await get(carol, `/peers/${bob.id}`), { status: 200, body: bob.contact.toJSON() })
})

test('a handler is given checked input only, of every kind of method', { timeout: 20_000 }, async (t) => {
  const place = meeting()
  const alice = (await start(t, AppModule.with(place()))).get(Node)
  const bob = (await start(t, AppModule.with({ ...place(), seeds: [alice.contact] }))).get(Node)
  const calculator = bob.peer(alice.contact).rpc(calculatorApi)
  assert.deepEqual(await calculator.sum([{ value: 1 }, { value: 2 }, { value: 3 }]), { value: 6 })
  const refused = (error: unknown): boolean =>
    error instanceof RpcError && error.rpcCode === RpcCode.INVALID_PARAMS && error.message.startsWith('value: ')
  await assert.rejects(calculator.square({ value: 'twelve' as never }), refused)
  await assert.rejects(calculator.sum([{ value: 1 }, { value: null as never }]), refused)
})

test('handlers are offered again when the rpc plugin is replaced', { timeout: 20_000 }, async (t) => {
  const place = meeting()
  const alice = (await start(t, AppModule.with(place()))).get(Node)
  const bob = (await start(t, AppModule.with({ ...place(), seeds: [alice.contact] }))).get(Node)
  const calculator = bob.peer(alice.id).rpc(calculatorApi)
  assert.deepEqual(await calculator.square({ value: 3 }), { value: 9 })
  await alice.kernel.replace(rpc.with({ defaultTimeoutMs: 5_000 }))
  assert.deepEqual(await calculator.square({ value: 4 }), { value: 16 })
})

test('what goes wrong has a status and a stable code', { timeout: 20_000 }, async (t) => {
  const place = meeting()
  const idle = await createNode(place())
  t.after(() => idle.stop())
  const app = await start(t, AppModule.with({ ...place(), seeds: [idle.contact] }))
  for (const [path, status, code] of [
    ['/peers/nonsense/square?value=1', 400, 'ERR_INVALID_INPUT'],
    [`/peers/${idle.id}/square?value=x`, 400, undefined],
    [`/peers/${nobody}/square?value=1`, 404, 'ERR_NOT_FOUND'],
    // It does not offer the method.
    [`/peers/${idle.id}/square?value=1`, 502, 'ERR_RPC']
  ] as const) {
    const answer = await get(app, path)
    assert.equal(answer.status, status, path)
    assert.equal(answer.body['code'], code, path)
  }
  await app.get(Node).stop()
  const answer = await get(app, `/peers/${idle.id}/square?value=1`)
  assert.deepEqual([answer.status, answer.body['code']], [503, 'ERR_STATE'])
})

test('a client that goes away cancels the call on the other node', { timeout: 20_000 }, async (t) => {
  const place = meeting()
  const client = new AbortController()
  let cancel = (_reason: unknown): void => undefined
  const cancelled = new Promise<unknown>((resolve) => (cancel = resolve))
  const stuck = definePlugin({
    name: 'stuck',
    needs: { rpc: RpcRegistry },
    start({ rpc }) {
      rpc.register({
        square: unary<unknown, never>((_input, { signal }) => {
          signal.addEventListener('abort', () => cancel(signal.reason))
          client.abort()
          return new Promise<never>(() => undefined)
        })
      })
    }
  })
  const { plugins = [] } = place()
  const node = await createNode({ plugins: [...plugins, stuck] })
  t.after(() => node.stop())
  const app = await start(t, AppModule.with({ ...place(), seeds: [node.contact] }))
  await assert.rejects(get(app, `/peers/${node.id}/square?value=1`, { signal: client.signal }), { name: 'AbortError' })
  // A call that takes too long ends as well.
  assert.equal(((await cancelled) as RpcError).rpcCode, RpcCode.CANCELLED)
})

test(
  'a peer that meets the node while the application starts finds its handlers, on providers that are ready',
  {
    timeout: 20_000
  },
  async (t) => {
    const place = meeting()
    const caller = await createNode(place())
    t.after(() => caller.stop())
    const call = firstValueFrom(
      caller.peers$.pipe(switchMap(({ connection }) => caller.peer(connection.peer).rpc(stockApi).count(null)))
    )

    @Injectable()
    class Stock {
      #count = 0

      async onModuleInit(): Promise<void> {
        this.#count = await new Promise((resolve) => setTimeout(resolve, 50, 7))
      }

      @RpcHandler(stockApi, 'count')
      count(): number {
        return this.#count
      }
    }
    @Module({
      imports: [PeerloomModule.forRoot({ ...place(), seeds: [caller.contact] })],
      providers: [
        { provide: 'stock', useFactory: () => new Stock() },
        { provide: 'alias', useExisting: 'stock' }
      ]
    })
    class App {}

    await start(t, App)
    assert.equal(await call, 7)
  }
)

interface Prices {
  of(article: string): number
}
const Prices = token<Prices>('shop/Prices')
const shopApi = { price: unary<string, number>() }

const shop = definePlugin({
  name: 'shop',
  needs: { prices: Prices, rpc: RpcRegistry },
  start({ prices, rpc }) {
    rpc.register({ price: unary<string, number>((article) => prices.of(article)) })
  }
})

@Injectable()
class PriceList implements Prices {
  of(article: string): number {
    return article.length
  }
}

@Module({ providers: [PriceList], exports: [PriceList] })
class ShopModule {}

test('a provider of the application fulfils a contract that a plugin needs', { timeout: 20_000 }, async (t) => {
  const place = meeting()
  const { plugins = [] } = place()
  const seller = await start(
    t,
    PeerloomModule.forRootAsync({
      imports: [ShopModule],
      inject: [PriceList],
      useFactory: (prices: PriceList) => ({ plugins: [...plugins, shop, fulfil(Prices, prices)] })
    })
  )
  const buyer = await createNode(place())
  t.after(() => buyer.stop())
  assert.equal(await buyer.peer(seller.get(Node).contact).rpc(shopApi).price('pear'), 4)
})
