/**
 * The checksums of a table file of LevelDB (doc/table_format.md of LevelDB), of which the binding checks none: it would
 * return wrong values or end the process on a failed assertion.
 */

const FOOTER_BYTES = 48
const MAGIC = 0xdb4775248b80fb57n
/** Type (1) and checksum (4) of a block. */
const TRAILER_BYTES = 5
/** The type of a block as it is. */
const UNCOMPRESSED = 0
const MASK_DELTA = 0xa282ead8

/** CRC-32C (RFC 3720 §B.4), reflected. Signed, as the engine's fast integers are. */
const CRC_TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  return crc
})

/** CRC-32C of a stretch of bytes, masked as LevelDB does. */
function maskedCrc(bytes: Uint8Array, start: number, end: number): number {
  let crc = -1
  for (let i = start; i < end; i++) {
    crc = (crc >>> 8) ^ (CRC_TABLE[(crc ^ (bytes[i] as number)) & 0xff] as number)
  }
  crc = ~crc >>> 0
  return (((crc >>> 15) | (crc << 17)) + MASK_DELTA) >>> 0
}

/** Where a block is, without its trailer. */
interface Block {
  readonly start: number
  readonly end: number
}

/**
 * Whether a block of a table is not what was written. Of a table with a compressed index (we write none, but another
 * program or a repair does) only the index is checked. Never throws.
 */
export function isDamaged(table: Buffer): boolean {
  try {
    if (table.readBigUInt64LE(table.length - 8) !== MAGIC) return true
    const reader = new Reader(table)
    reader.at = table.length - FOOTER_BYTES
    const directories = [reader.block(), reader.block()]
    for (const directory of directories) {
      if (!isWhole(table, directory)) return true
      if (table[directory.end] !== UNCOMPRESSED) continue
      for (const block of blocksIn(table, directory)) if (!isWhole(table, block)) return true
    }
    return false
  } catch {
    // Some offset or length leads out of the file.
    return true
  }
}

function isWhole(table: Buffer, { start, end }: Block): boolean {
  return maskedCrc(table, start, end + 1) === table.readUInt32LE(end + 1)
}

/** The blocks that a block of the index lists. Its own checksum is good. */
function* blocksIn(table: Buffer, { start, end }: Block): Generator<Block> {
  const restarts = table.readUInt32LE(end - 4)
  const reader = new Reader(table)
  reader.at = start
  while (reader.at < end - 4 - 4 * restarts) {
    reader.varint()
    const keyBytes = reader.varint()
    const valueBytes = reader.varint()
    const value = reader.at + keyBytes
    reader.at = value
    yield reader.block()
    reader.at = value + valueBytes
  }
}

class Reader {
  at = 0

  constructor(private readonly table: Buffer) {}

  varint(): number {
    let value = 0
    for (let factor = 1; factor <= 2 ** 49; factor *= 128) {
      const byte = this.table.readUInt8(this.at++)
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return value
    }
    throw new RangeError('not a varint')
  }

  block(): Block {
    const start = this.varint()
    const end = start + this.varint()
    if (end + TRAILER_BYTES > this.table.length) throw new RangeError('a block beyond the end')
    return { start, end }
  }
}
