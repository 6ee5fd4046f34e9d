import { expect } from 'chai'
import fc from 'fast-check'
import { Address } from '#src/model/index.js'
import { isDialable, raceOrder, type RaceOrderOptions } from '#src/plugins/connection-pool/race-order.js'

const at = (host: string): Address => ({ host, port: 1 })
const order = (hosts: string[], options?: RaceOrderOptions): string[] =>
  raceOrder(hosts.map(at), options).map(({ host }) => host)

describe('the order of a race', () => {
  it('is the local network first, loopback last, IPv6 and IPv4 by turns', () => {
    const hosts = ['127.0.0.1', '203.0.113.1', '203.0.113.2', '2001:db8::1', '2001:db8::2', '10.0.0.1', 'fd00::1']
    expect(order(hosts)).to.deep.equal([
      'fd00::1',
      '10.0.0.1',
      '2001:db8::1',
      '203.0.113.1',
      '2001:db8::2',
      '203.0.113.2',
      '127.0.0.1'
    ])
    expect(order(hosts, { loopbackFirst: true })[0]).to.equal('127.0.0.1')
  })

  it('goes on with the family that was not dialled last', () => {
    const hosts = ['203.0.113.1', '2001:db8::1']
    expect(order(hosts, { lastFamily: 6 })).to.deep.equal(['203.0.113.1', '2001:db8::1'])
    expect(order(hosts, { lastFamily: 4 })).to.deep.equal(['2001:db8::1', '203.0.113.1'])
  })

  it('loses and invents no address, and stays the same when the first is dialled and the rest ordered again', () => {
    const host = fc.oneof(fc.ipV4(), fc.ipV6()).map((text) => Address.canonicalHost(text))
    fc.assert(
      fc.property(fc.uniqueArray(host, { maxLength: 12 }), fc.boolean(), (hosts, loopbackFirst) => {
        const dialable = hosts.map(at).filter(isDialable)
        const whole = raceOrder(dialable, { loopbackFirst })
        expect([...whole].sort()).to.have.members(dialable)
        const stepwise: Address[] = []
        for (let rest = dialable; rest.length > 0;) {
          const last = stepwise.at(-1)
          const [next, ...others] = raceOrder(rest, { loopbackFirst, lastFamily: last && Address.family(last) })
          stepwise.push(next!)
          rest = others
        }
        expect(stepwise).to.deep.equal(whole)
      })
    )
  })

  it('has no place for an address without a port or a host', () => {
    expect([at('0.0.0.0'), at('::'), { host: '192.0.2.1', port: 0 }].filter(isDialable)).to.deep.equal([])
    expect(isDialable(at('seed.example'))).to.equal(true)
  })
})
