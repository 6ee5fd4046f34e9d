import { expect } from 'chai'
import fc from 'fast-check'
import { Address, Contact, NodeId } from '#src/model/index.js'

const id = NodeId.fromBytes(new Uint8Array(32).fill(7))

describe('Contact', () => {
  it('prints as text that parses to the same contact', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.array(fc.tuple(fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain()), fc.integer({ min: 1, max: 65535 })), {
          minLength: 1,
          maxLength: 16
        }),
        (bytes, hosts) => {
          const contact = Contact.of(
            NodeId.fromBytes(bytes),
            hosts.map(([host, port]) => Address.of(host, port))
          )
          const again = Contact.parse(contact.toString())
          expect(again).to.deep.equal(contact)
          expect(JSON.stringify(again)).to.equal(JSON.stringify(contact.toString()))
        }
      )
    )
  })

  it('keeps each address once, whatever its spelling', () => {
    const contact = Contact.parse(`${id}@[::1]:1,[0:0:0:0:0:0:0:1]:1,[::ffff:127.0.0.1]:2,127.0.0.1:2`)
    expect(contact.addresses.map(Address.format)).to.deep.equal(['[::1]:1', '127.0.0.1:2'])
  })

  it('refuses anything malformed with ERR_INVALID_INPUT', () => {
    const many = Array.from({ length: 17 }, (_, i) => `10.0.0.${i}:1`).join(',')
    for (const text of [
      '',
      id,
      `${id}@`,
      `${id}@host`,
      `${id}@host:0`,
      `${id}@host:65536`,
      `${id}@::1:80`,
      `${id}@[::1]`,
      `${id}@[zz]:1`,
      `${id}@[fe80::1%eth0]:1`,
      `${id}@256.1.1.1:1`,
      `${id}@-a.example:1`,
      `${id}@a b:1`,
      `${id}@${many}`,
      `${id.toUpperCase()}@host:1`,
      `x${id.slice(1)}@host:1`
    ]) {
      expect(() => Contact.parse(text), text)
        .to.throw()
        .with.property('code', 'ERR_INVALID_INPUT')
    }
  })

  it('never throws anything but ERR_INVALID_INPUT, whatever the text', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map((tail) => `${id}@${tail}`)
        ),
        (text) => {
          try {
            Contact.parse(text)
          } catch (error) {
            expect(error).to.have.property('code', 'ERR_INVALID_INPUT')
          }
        }
      )
    )
  })
})

describe('NodeId', () => {
  it('is its public key in multibase base32hex', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
        const text = NodeId.fromBytes(bytes)
        expect(text).to.match(/^v[0-9a-v]{52}$/)
        expect([...NodeId.toBytes(NodeId.parse(text))]).to.deep.equal([...bytes])
      })
    )
  })

  it('refuses a second spelling of the same key', () => {
    const last = NodeId.fromBytes(new Uint8Array(32))
    expect(() => NodeId.parse(`${last.slice(0, -1)}1`))
      .to.throw()
      .with.property('code', 'ERR_INVALID_INPUT')
    expect(NodeId.is(`${last.slice(0, -1)}1`)).to.equal(false)
  })

  it('refuses a key of another length', () => {
    for (const length of [0, 31, 33]) {
      expect(() => NodeId.fromBytes(new Uint8Array(length)))
        .to.throw()
        .with.property('code', 'ERR_INVALID_INPUT')
    }
  })
})

describe('Address', () => {
  it('knows who can use it', () => {
    const scopes = {
      '127.0.0.1': 'loopback',
      '10.1.2.3': 'local',
      '172.31.0.1': 'local',
      '172.32.0.1': 'global',
      '100.64.0.1': 'local',
      '203.0.113.7': 'global',
      '::1': 'loopback',
      'fe80::1': 'local',
      'fd00::1': 'local',
      '2001:db8::1': 'global',
      '0.0.0.0': 'unspecified',
      '::': 'unspecified',
      'seed.example': 'name'
    }
    for (const [host, scope] of Object.entries(scopes)) expect(Address.scope({ host, port: 1 }), host).to.equal(scope)
  })
})
