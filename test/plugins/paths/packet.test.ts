import { expect } from 'chai'
import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { readProbe, type ProbeContent } from '#src/plugins/paths/packet.js'
import { Seal } from '#src/plugins/paths/seal.js'

const hex = (length: number): fc.Arbitrary<string> =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => Buffer.from(bytes).toString('hex'))
const tag = fc.uint8Array({ minLength: 4, maxLength: 20 })

const content: fc.Arbitrary<ProbeContent> = fc.oneof(
  fc.record({ kind: fc.constantFrom('probe', 'come', 'confirmation'), tag, number: hex(8) }),
  fc.record({ kind: fc.constant('answer' as const), tag, number: hex(8), returned: hex(8) })
)

const KEY = new Uint8Array(32).fill(7)
const [dialler, acceptor] = [new Seal(KEY, true), new Seal(KEY, false)]

describe('the datagrams of probes', () => {
  it('are the bytes that docs/protocol.md tells', () => {
    const number = '0102030405060708'
    const data = dialler.write({ kind: 'come', tag: Uint8Array.of(9, 8, 7, 6), number }, 1_350)
    const head = Buffer.from(`220409080706${number}`, 'hex')
    const authentic = Buffer.concat([head, Uint8Array.of(0, 1_350 >> 8, 1_350 & 0xff)])
    const mac = createHmac('sha256', KEY).update(authentic).digest().subarray(0, 16)
    expect(Buffer.from(data)).to.deep.equal(Buffer.concat([head, mac, Buffer.alloc(1_350 - 14 - 16)]))
    const answer = { kind: 'answer', tag: new Uint8Array(4), number, returned: '1112131415161718' } as const
    expect(Buffer.from(acceptor.write(answer, 0)).toString('hex')).to.match(
      /^21040000000001020304050607081112131415161718[0-9a-f]{32}$/
    )
  })

  it('are read as they were written, by the other side alone', () => {
    fc.assert(
      fc.property(content, fc.integer({ min: 0, max: 2_000 }), (value, bytes) => {
        const data = dialler.write(value, bytes)
        expect(data.length).to.be.at.least(bytes)
        const packet = readProbe(data)!
        expect(packet).to.deep.include({ ...value, bytes: data.length })
        expect(acceptor.isGenuine(packet)).to.equal(true)
        expect(dialler.isGenuine(packet), 'sent back to its maker').to.equal(false)
        expect(new Seal(new Uint8Array(32), false).isGenuine(packet)).to.equal(false)
      })
    )
  })

  it('are worth nothing when a bit of what they say is changed, or when they are cut short', () => {
    fc.assert(
      fc.property(content, fc.nat(), fc.integer({ min: 0, max: 7 }), (value, at, bit) => {
        const data = dialler.write(value, 100)
        const length = readProbe(data)!.head.length + 16
        const altered = Uint8Array.from(data)
        altered[at % length]! ^= 1 << bit
        const packet = readProbe(altered)
        expect(packet !== undefined && acceptor.isGenuine(packet)).to.equal(false)
        const cut = readProbe(data.subarray(0, at % data.length))
        expect(cut !== undefined && acceptor.isGenuine(cut)).to.equal(false)
        const longer = readProbe(Uint8Array.of(...data, 0))
        expect(longer !== undefined && acceptor.isGenuine(longer)).to.equal(false)
      })
    )
  })

  it('never throw, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.integer({ min: 0x20, max: 0x2f }), (noise, first) => {
        readProbe(noise)
        const packet = readProbe(Uint8Array.of(first, ...noise))
        expect(packet !== undefined && acceptor.isGenuine(packet)).to.equal(false)
      }),
      { numRuns: 2_000 }
    )
  })
})
