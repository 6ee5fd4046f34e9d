import 'reflect-metadata'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { definePlugin, RpcRegistry, token, unary } from 'peerloom'
import { container } from 'tsyringe'
import { meeting } from './fixture.js'

interface Prices {
  of(article: string): number
}
const Prices = token<Prices>('shop/Prices')

const shopApi = { price: unary<string, number>() }

/** Offers to other nodes what the application knows. */
const shop = definePlugin({
  name: 'shop',
  needs: { prices: Prices, rpc: RpcRegistry },
  start({ prices, rpc }) {
    rpc.register({ price: unary<string, number>((article) => prices.of(article)) })
  }
})

class PriceList implements Prices {
  of = (article: string): number => article.length
}

test('a contract that the application fulfils is injected from its container', { timeout: 20_000 }, async (t) => {
  const services = container.createChildContainer()
  services.registerSingleton(Prices, PriceList)
  const { app, node } = meeting(t)
  const { node: seller } = await app({ node: { container: services, plugins: [shop] } })
  const buyer = await node({ seeds: [seller.contact] })
  assert.equal(await buyer.peer(seller.id).rpc(shopApi).price('pear'), 4)
})

test('one that it does not fulfil fails the boot', { timeout: 20_000 }, async (t) => {
  const { app } = meeting(t)
  await assert.rejects(app({ node: { container: container.createChildContainer(), plugins: [shop] } }), {
    code: 'ERR_GRAPH',
    message: /Prices/
  })
})
