import { expect } from 'chai'
import fc from 'fast-check'
import type { DatagramSocket } from '#src/kernel/index.js'
import { Dispatch } from '#src/plugins/quic-transport/dispatch.js'
import {
  CID_BYTES,
  cidKey,
  firstPacketEnd,
  isLongHeader,
  MIN_INITIAL_BYTES,
  QUIC_VERSION,
  readLongHeader,
  receptionOf,
  sameDestinationEnd,
  shortHeaderKey,
  versionNegotiation
} from '#src/plugins/quic-transport/packet.js'

const from = { host: '192.0.2.1', port: 4433 }
const socket = {} as DatagramSocket
const cid = fc.uint8Array({ minLength: 0, maxLength: 255 })

function longPacket(first: number, version: number, dcid: Uint8Array, scid: Uint8Array, bytes: number): Uint8Array {
  const header = Buffer.alloc(7 + dcid.length + scid.length)
  header[0] = 0x80 | first
  header.writeUInt32BE(version, 1)
  header[5] = dcid.length
  header.set(dcid, 6)
  header[6 + dcid.length] = scid.length
  header.set(scid, 7 + dcid.length)
  return Buffer.concat([header, Buffer.alloc(Math.max(0, bytes - header.length))])
}

describe('packet headers', () => {
  it('are read as they were written', () => {
    fc.assert(
      fc.property(fc.nat(127), fc.nat(0xffffffff), cid, cid, (first, version, dcid, scid) => {
        const packet = longPacket(first, version, dcid, scid, 0)
        const header = readLongHeader(packet)
        expect(header?.version).to.equal(version)
        expect(header?.dcid).to.deep.equal(Buffer.from(dcid))
        expect(header?.scid).to.deep.equal(Buffer.from(scid))
        for (let length = 0; length < packet.length; length += 7) {
          expect(readLongHeader(packet.subarray(0, length))).to.equal(undefined)
        }
      })
    )
  })

  it('tell where a Handshake packet ends, and take any other bytes as one packet', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(3), fc.nat(60), fc.nat(40), (ids, width, length, more) => {
        const header = longPacket(0x60, QUIC_VERSION, ids.subarray(0, 20), ids.subarray(20, 40), 0)
        const field = Buffer.alloc(1 << width)
        field[field.length - 1] = length
        field[0] = (field[0] as number) | (width << 6)
        const packet = Buffer.concat([header, field, Buffer.alloc(length)])
        expect(firstPacketEnd(Buffer.concat([packet, Buffer.alloc(more)]))).to.equal(packet.length)
      })
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (data) => {
        expect(firstPacketEnd(data)).to.be.within(0, data.length)
        if (!isLongHeader(data)) expect(firstPacketEnd(data)).to.equal(data.length)
      })
    )
  })

  it('show where the packets for one destination end', () => {
    const INITIAL = 0x40
    const ZERO_RTT = 0x50
    const here = Buffer.alloc(CID_BYTES, 1)
    const elsewhere = Buffer.alloc(CID_BYTES, 2)
    const packet = (first: number, dcid: Uint8Array, token: number[] = []): Buffer =>
      Buffer.concat([longPacket(first, QUIC_VERSION, dcid, here, 0), Buffer.from([...token, 3, 7, 7, 7])])
    const short = (dcid: Uint8Array): Buffer => Buffer.concat([Buffer.from([0x40]), dcid, Buffer.alloc(20)])
    const ours = Buffer.concat([packet(INITIAL, here, [2, 9, 9]), packet(ZERO_RTT, here)])
    for (const [data, end] of [
      [ours, ours.length],
      [Buffer.concat([ours, short(here)]), ours.length + 1 + CID_BYTES + 20],
      [Buffer.concat([ours, short(elsewhere)]), ours.length],
      [Buffer.concat([ours, packet(ZERO_RTT, elsewhere), packet(ZERO_RTT, here)]), ours.length],
      [Buffer.concat([ours, Buffer.alloc(5)]), ours.length],
      [short(here), short(here).length]
    ] as const) {
      expect(sameDestinationEnd(data)).to.equal(end)
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (data) => {
        expect(sameDestinationEnd(data)).to.be.within(Math.min(1, data.length), data.length)
      })
    )
  })

  it('have keys that tell connection ids apart, wherever the bytes lie', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: CID_BYTES, maxLength: CID_BYTES }), fc.nat(20), (id, offset) => {
        const memory = new Uint8Array(offset + 1 + CID_BYTES + 1)
        memory.set(id, offset + 1)
        expect(shortHeaderKey(memory.subarray(offset))).to.equal(cidKey(id))
        expect(cidKey(memory.subarray(offset + 1, offset + 1 + CID_BYTES))).to.equal(cidKey(id))
        expect(Buffer.from(cidKey(id), 'latin1')).to.deep.equal(Buffer.from(id))
      })
    )
  })

  it('of unknown versions are answered only if that amplifies nothing', () => {
    fc.assert(
      fc.property(fc.nat(0xffffffff), cid, cid, fc.nat(1_500), (version, dcid, scid, bytes) => {
        fc.pre(version !== QUIC_VERSION)
        const packet = longPacket(0x40, version, dcid, scid, bytes)
        const header = readLongHeader(packet)!
        const reception = receptionOf(header, packet.length)
        if (version === 0) expect(reception).to.equal('unknown connection')
        else if (packet.length < MIN_INITIAL_BYTES) expect(reception).to.equal('unknown version')
        else {
          expect(reception).to.equal('negotiate version')
          const answer = versionNegotiation(header)
          expect(answer.length).to.be.below(packet.length)
          const read = readLongHeader(answer)!
          expect(read).to.deep.include({ version: 0 })
          expect(cidKey(read.dcid)).to.equal(cidKey(scid))
          expect(cidKey(read.scid)).to.equal(cidKey(dcid))
          // An answer is never answered.
          expect(receptionOf(read, answer.length)).to.equal('unknown connection')
        }
      })
    )
  })

  it('open a connection only with an Initial of full size', () => {
    const id = new Uint8Array(8)
    const reception = (first: number, dcid: Uint8Array, bytes: number): string =>
      receptionOf(readLongHeader(longPacket(first, QUIC_VERSION, dcid, id, bytes))!, bytes)
    expect(reception(0x40, id, 1_200)).to.equal('accept')
    expect(reception(0x40, id, 1_199)).to.equal('small initial')
    expect(reception(0x40, id.subarray(1), 1_200)).to.equal('malformed')
    expect(reception(0x40, new Uint8Array(21), 1_200)).to.equal('malformed')
    for (const type of [0x50, 0x60, 0x70]) expect(reception(type, id, 1_200)).to.equal('unknown connection')
  })
})

describe('dispatch', () => {
  it('takes any bytes: each is accepted, answered or counted', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1_500 }), fc.boolean(), (data, versionOne) => {
        if (versionOne && data.length > 5) data.set([0, 0, 0, 1], 1)
        let accepted = 0
        const dispatch = new Dispatch({ accept: () => accepted++, send: () => undefined })
        dispatch.receive(data, from, socket)
        const dropped = Object.values(dispatch.dropped).reduce((sum, n) => sum + n, 0)
        expect(accepted + dropped).to.equal(1)
        expect(dispatch.dropped['internal error']).to.equal(undefined)
      })
    )
  })

  it('leads packets to whoever has their connection id, and counts one who throws', () => {
    const dispatch = new Dispatch({ accept: () => undefined, send: () => undefined })
    const id = new Uint8Array(CID_BYTES).fill(5)
    const seen: number[] = []
    const short = Uint8Array.from([0x40, ...id, 1, 2])
    const long = longPacket(0x60, QUIC_VERSION, id, id, 100)
    let answer = true
    dispatch.route(id, {
      receive: (data) => {
        seen.push(data.length)
        if (seen.length > 3) throw new Error('broken')
        return answer
      }
    })
    dispatch.receive(short, from, socket)
    dispatch.receive(long, from, socket)
    answer = false
    dispatch.receive(short, from, socket)
    dispatch.receive(short, from, socket)
    expect(seen).to.deep.equal([short.length, long.length, short.length, short.length])
    dispatch.unroute(id)
    dispatch.receive(short, from, socket)
    expect(dispatch.dropped).to.deep.equal({ refused: 1, 'internal error': 1, 'unknown connection': 1 })
    expect(dispatch.size).to.equal(0)
  })
})
