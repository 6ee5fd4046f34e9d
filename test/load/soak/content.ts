import { seededRandom } from '#src/testkit/index.js'

/** The longest piece that can be asked for: a prime, so that pieces of a usual size never repeat in step. */
export const MAX_PIECE_BYTES = 65_521
/** How far the contents of two ways of neighbouring streams are apart. */
const STEP = 7_919

const noise = Buffer.from(seededRandom(1).bytes(MAX_PIECE_BYTES))
const twice = Buffer.concat([noise, noise])

/**
 * The content of one way of a stream, a function of the way's number and the offset: bytes that are lost, doubled,
 * misplaced or another stream's show. `bytes` is at most {@link MAX_PIECE_BYTES}.
 */
export function piece(way: number, offset: number, bytes: number): Buffer {
  const start = (way * STEP + offset) % MAX_PIECE_BYTES
  return twice.subarray(start, start + bytes)
}
