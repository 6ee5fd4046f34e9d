import { expect } from 'chai'
import fc from 'fast-check'
import { Address } from '#src/model/index.js'
import { parseAnswer, parseTarget, share } from '#src/plugins/kademlia/messages.js'
import { K, MAX_ADDRESSES } from '#src/plugins/kademlia/routing-table.js'
import { contact } from './support.js'

const at = (text: string): Address => Address.parse(text)

describe('kademlia messages', () => {
  it('takes any input without failing but by ERR_INVALID_INPUT', () => {
    const text = fc.oneof(fc.string(), fc.constant(String(contact(1))))
    const input = fc.oneof(fc.anything(), fc.record({ target: fc.anything(), contacts: fc.array(text) }))
    fc.assert(
      fc.property(input, (value) => {
        for (const parse of [parseTarget, (each: unknown) => parseAnswer(each, at('10.0.0.1:1'), () => undefined)]) {
          try {
            const result = parse(value)
            if (Array.isArray(result)) expect(result.length).to.be.at.most(K)
          } catch (error) {
            expect(error).to.have.property('code', 'ERR_INVALID_INPUT')
          }
        }
      })
    )
  })

  it('passes on only what means the same to the other side', () => {
    const all = contact(
      1,
      '203.0.113.1:1',
      '192.168.1.1:1',
      '127.0.0.1:1',
      '0.0.0.0:1',
      'seed.example:1',
      '[fd00::1]:1'
    )
    expect(share(all, at('10.0.0.1:9'))?.addresses.map(Address.format)).to.deep.equal([
      '203.0.113.1:1',
      '192.168.1.1:1',
      '[fd00::1]:1'
    ])
    expect(share(all, at('127.0.0.1:9'))?.addresses.map(Address.format)).to.include('127.0.0.1:1')
    expect(share(contact(1, 'seed.example:1'), at('127.0.0.1:9'))).to.equal(undefined)
    const long = contact(1, ...Array.from({ length: 16 }, (_, n) => `10.0.0.${n}:1`))
    expect(share(long, at('10.0.0.99:1'))?.addresses.length).to.equal(MAX_ADDRESSES)
  })
})
