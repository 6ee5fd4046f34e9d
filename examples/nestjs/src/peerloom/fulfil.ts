import { definePlugin, describeToken, type Plugin, type Token } from 'peerloom'

/**
 * A plugin that fulfils a contract with a provider of the application.
 *
 * @example
 * PeerloomModule.forRootAsync({
 *   imports: [ShopModule],
 *   inject: [PriceList],
 *   useFactory: (prices: PriceList) => ({ plugins: [shop, fulfil(Prices, prices)] })
 * })
 */
export function fulfil<T>(token: Token<T>, implementation: T): Plugin {
  return definePlugin({
    name: `nest/${describeToken(token).contract}`,
    provides: { implementation: token },
    start: () => ({ implementation })
  })
}
