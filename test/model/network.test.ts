import { expect } from 'chai'
import { Address } from '#src/model/index.js'

describe('the network of an address', () => {
  const network = (host: string, octets: number, words: number): string =>
    Address.network({ host, port: 4433 }, octets, words)

  it('is the same text for all of its addresses, and no others', () => {
    expect(network('192.0.2.1', 3, 4)).to.equal(network('192.0.2.255', 3, 3))
    expect(network('192.0.2.1', 4, 4)).to.equal('192.0.2.1')
    expect(network('2001:db8::1', 4, 4)).to.equal(network('2001:db8:0:0:ffff::2', 3, 4))
    expect(network('2001:db8::1', 4, 4)).not.to.equal(network('2001:db8:0:1::1', 4, 4))
    expect(network('2001:db8:0:1::1', 4, 3)).to.equal(network('2001:db8::', 4, 3))
    expect(network('::1', 4, 4)).to.equal('0:0:0:0')
    expect(network('1:2:3:4:5:6:7:8', 4, 8)).to.equal('1:2:3:4:5:6:7:8')
    expect(network('fe80::1%eth0', 4, 4)).to.equal('fe80:0:0:0')
  })
})
