import { expect } from 'chai'
import { addressesOf, OwnAddresses, type Interfaces } from '#src/plugins/udp/own-addresses.js'
import { VirtualClock } from '#src/testkit/index.js'

const interfaces: Interfaces = {
  lo: [{ address: '127.0.0.1' }, { address: '::1' }],
  eth0: [{ address: '10.0.0.5' }, { address: 'fe80::1' }, { address: '2001:DB8::5' }, { address: 'fd00::5' }],
  wan: [{ address: '203.0.113.5' }, { address: '2001:db8:0::5' }],
  down: undefined
}

const hosts = (host: string, families: (4 | 6)[], list = interfaces): string[] =>
  addressesOf({ local: { host, port: 7 }, families: new Set(families) }, list).map((address) => {
    expect(address.port).to.equal(7)
    return address.host
  })

describe('own addresses', () => {
  it('are those of all interfaces, global ones first, loopback last, link-local IPv6 left out', () => {
    expect(hosts('::', [4, 6])).to.deep.equal(['2001:db8::5', '203.0.113.5', '10.0.0.5', 'fd00::5', '127.0.0.1', '::1'])
  })

  it('are of the families that the socket has', () => {
    expect(hosts('0.0.0.0', [4])).to.deep.equal(['203.0.113.5', '10.0.0.5', '127.0.0.1'])
  })

  it('are the bound one alone, if there is one', () => {
    expect(hosts('10.0.0.5', [4])).to.deep.equal(['10.0.0.5'])
  })

  it('are those of loopback if the system tells none', () => {
    expect(hosts('::', [6, 4], {})).to.have.members(['127.0.0.1', '::1'])
    const forbidden = new OwnAddresses(
      { local: { host: '::', port: 7 }, families: new Set([4]) },
      new VirtualClock(),
      () => {
        throw new Error('forbidden')
      }
    )
    expect(forbidden.get()).to.deep.equal([{ host: '127.0.0.1', port: 7 }])
  })

  it('are asked for at most once a second, and the same array as long as they are the same', async () => {
    const clock = new VirtualClock()
    let asked = 0
    let list = interfaces
    const own = new OwnAddresses({ local: { host: '::', port: 7 }, families: new Set([4, 6]) }, clock, () => {
      asked++
      return list
    })
    const first = own.get()
    list = { ...interfaces }
    await clock.advance(1_000)
    expect(own.get()).to.equal(first)
    expect(asked).to.equal(2)
    list = { lo: [{ address: '127.0.0.1' }] }
    await clock.advance(999)
    expect(own.get()).to.equal(first)
    await clock.advance(1)
    expect(own.get()).to.deep.equal([{ host: '127.0.0.1', port: 7 }])
    expect(asked).to.equal(3)
  })
})
