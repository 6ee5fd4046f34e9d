import { expect } from 'chai'
import fc from 'fast-check'
import { ReadMemory } from '#src/plugins/quic-transport/read-memory.js'

const KIB = 1024

describe('memory that streams are read into', () => {
  it('is the same until some of it is taken', () => {
    const memory = new ReadMemory()
    const { room } = memory
    expect(memory.room).to.equal(room)
    expect(memory.take(room.length).buffer).to.equal(room.buffer)
    expect(memory.room.buffer).not.to.equal(room.buffer)
  })

  it('is that of large datagrams that are no longer needed', () => {
    const memory = new ReadMemory()
    const datagram = Buffer.from(new ArrayBuffer(16 * KIB))
    memory.give(datagram)
    expect(memory.room).to.equal(datagram)
    const chunk = memory.take(15 * KIB)
    expect(chunk.buffer).to.equal(datagram.buffer)
    expect(chunk).to.have.lengthOf(15 * KIB)
    expect(chunk.constructor).to.equal(Uint8Array)
    expect(memory.room.buffer).not.to.equal(datagram.buffer)
  })

  it('is not held by a chunk that would leave much of it unused', () => {
    const memory = new ReadMemory()
    const { room } = memory
    room.set([1, 2, 3])
    const chunk = memory.take(3)
    // Small chunks are cut from memory that they share.
    expect(chunk.buffer.byteLength).to.be.at.most(Buffer.poolSize)
    expect([...chunk]).to.deep.equal([1, 2, 3])
    expect(memory.room).to.equal(room)
  })

  it('takes over neither small datagrams nor parts of something larger', () => {
    const memory = new ReadMemory()
    const { room } = memory
    memory.give(new Uint8Array(1_350))
    memory.give(new Uint8Array(64 * KIB).subarray(0, 16 * KIB))
    expect(memory.room).to.equal(room)
  })

  it('is bounded', () => {
    const memory = new ReadMemory()
    const given = Array.from({ length: 1_000 }, () => new Uint8Array(8 * KIB))
    for (const datagram of given) memory.give(datagram)
    const kept = new Set<unknown>(given.map(({ buffer }) => buffer))
    let taken = 0
    while (kept.has(memory.take(memory.room.length).buffer)) taken++
    expect(taken).to.equal(32)
  })

  it('is never handed out twice', () => {
    const sizes = fc.array(fc.record({ given: fc.nat(20 * KIB), read: fc.double({ min: 0.001, max: 1, noNaN: true }) }))
    fc.assert(
      fc.property(sizes, (steps) => {
        const memory = new ReadMemory()
        const chunks = steps.map(({ given, read }, i) => {
          memory.give(new Uint8Array(given))
          const chunk = memory.take(Math.ceil(memory.room.length * read))
          return { chunk: chunk.fill(i), i }
        })
        for (const { chunk, i } of chunks) expect(chunk.every((byte) => byte === (i & 0xff))).to.equal(true)
      })
    )
  })
})
