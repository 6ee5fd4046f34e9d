/** Memory that is not a datagram's: also the largest chunk. */
const ROOM_BYTES = 64 * 1024
/** A chunk that fills at least this share of its room keeps the room; another is copied out, lest it hold it all. */
const KEPT_SHARE = 3 / 4
/** Smaller datagrams would cut what is read into many small chunks. */
const MIN_DATAGRAM_BYTES = 8 * 1024
/** Datagrams whose memory is kept; as many as libuv receives in one turn of the event loop. */
const MAX_DATAGRAMS = 32

/**
 * What streams are read into. Chunks belong to whoever reads them, and all that memory would keep V8 collecting: a small
 * heap that is given tens of megabytes of buffers a second is marked all the time. So a large datagram that quiche has
 * taken in leaves its memory to the chunks, which are no larger together; where datagrams are small, it is copied out
 * of one room.
 */
export class ReadMemory {
  readonly #datagrams: Uint8Array[] = []
  #own = newRoom()

  /** Takes over the memory of a datagram of which nobody needs anything any more. */
  give(datagram: Uint8Array): void {
    if (datagram.length < MIN_DATAGRAM_BYTES || this.#datagrams.length >= MAX_DATAGRAMS) return
    // A part of something larger would keep all of it.
    if (datagram.length === datagram.buffer.byteLength) this.#datagrams.push(datagram)
  }

  /** Where to read to; the same until a chunk is taken. */
  get room(): Uint8Array {
    return this.#datagrams.at(-1) ?? this.#own
  }

  /** The first `bytes` bytes of the room, as the caller's own. */
  take(bytes: number): Uint8Array {
    const { room } = this
    // Small ones share memory: to take some for each costs more than to copy it.
    if (bytes < room.length * KEPT_SHARE) return Buffer.from(room.subarray(0, bytes))
    if (this.#datagrams.pop() === undefined) this.#own = newRoom()
    return new Uint8Array(room.buffer, 0, bytes)
  }
}

/** One for all connections: nothing is kept in it from one call to the next. */
export const readMemory = new ReadMemory()

/** Memory of its own, and not filled with zeros first. */
function newRoom(): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(ROOM_BYTES).buffer)
}
