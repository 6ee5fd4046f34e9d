import { expect } from 'chai'
import fc from 'fast-check'
import { NodeId } from '#src/model/index.js'
import {
  decodeFrames,
  decodePacket,
  encodeFrame,
  encodePacket,
  type Frame,
  type Packet
} from '#src/plugins/memory-transport/codec.js'

const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length })
const id = bytes(8).map((raw) => Buffer.from(raw).toString('hex'))
const nodeId = bytes(32).map((raw) => NodeId.fromBytes(raw))
const integer = fc.maxSafeNat()
const protocol = fc.string({ maxLength: 16 })

const packet: fc.Arbitrary<Packet> = fc.oneof(
  fc.record({
    kind: fc.constant('hello' as const),
    from: id,
    nonce: bytes(32),
    nodeId,
    maxStreams: integer,
    protocols: fc.array(protocol, { maxLength: 16 })
  }),
  fc.record({
    kind: fc.constant('welcome' as const),
    to: id,
    from: id,
    nonce: bytes(32),
    nodeId,
    maxStreams: integer,
    protocol,
    signature: bytes(64)
  }),
  fc.record({
    kind: fc.constant('data' as const),
    to: id,
    serial: integer,
    ack: integer,
    number: integer,
    frames: fc.uint8Array()
  }),
  fc.record({ kind: fc.constant('close' as const), to: id, code: integer, reason: fc.string({ maxLength: 64 }) }),
  fc.record({ kind: fc.constant('message' as const), to: id, message: fc.uint8Array() })
)

const frame: fc.Arbitrary<Frame> = fc.oneof(
  fc.record({ type: fc.constant('proof' as const), signature: bytes(64) }),
  fc.record({ type: fc.constant('stream' as const), stream: integer, end: fc.boolean(), data: fc.uint8Array() }),
  fc.record({ type: fc.constantFrom('reset' as const, 'stop' as const), stream: integer, code: integer }),
  fc.record({ type: fc.constant('credit' as const), stream: integer, limit: integer }),
  fc.record({ type: fc.constant('streams' as const), limit: integer }),
  fc.constant({ type: 'ping' as const })
)

describe('the packets of memory-transport', () => {
  it('are read as they were written, in the class of QUIC', () => {
    fc.assert(
      fc.property(packet, (value) => {
        const encoded = encodePacket(value)
        expect(encoded[0]).to.be.at.least(0x40)
        expect(decodePacket(encoded)).to.deep.equal(value)
      })
    )
  })

  it('carry frames, which are read as they were written', () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 5 }), (frames) => {
        expect(decodeFrames(Buffer.concat(frames.map(encodeFrame)))).to.deep.equal(frames)
      })
    )
  })

  it('never throw, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 0x40, max: 0x46 }), (noise, first) => {
        decodePacket(noise)
        decodePacket(Uint8Array.of(first, ...noise))
        decodeFrames(noise)
      }),
      { numRuns: 1_000 }
    )
  })

  it('are nothing when they are cut short', () => {
    fc.assert(
      fc.property(
        packet.filter(({ kind }) => kind !== 'data' && kind !== 'message'),
        fc.nat(),
        (value, cut) => {
          const encoded = encodePacket(value)
          expect(decodePacket(encoded.subarray(0, cut % encoded.length))).to.equal(undefined)
        }
      )
    )
  })

  it('hold integers up to 2^53 − 1 in one spelling only', () => {
    const close = (...code: number[]): Uint8Array => Uint8Array.of(0x44, 1, 2, 3, 4, 5, 6, 7, 8, ...code, 0)
    expect(decodePacket(close(0x05))).to.have.property('code', 5)
    expect(decodePacket(close(0x85, 0x00))).to.equal(undefined)
    expect(decodePacket(close(...Array<number>(9).fill(0xff), 0x01))).to.equal(undefined)
  })

  it('cut a reason that is too long without breaking a character', () => {
    const close = { kind: 'close', to: '0102030405060708', code: 1, reason: `${'x'.repeat(255)}ä` } as const
    expect(decodePacket(encodePacket(close))).to.deep.equal({ ...close, reason: 'x'.repeat(255) })
  })
})
