import { readChunk, systemClock, type Connection, type Stream } from '#src/kernel/index.js'
import { readAll } from '#src/testkit/conformance/transport.js'

const CHUNK_BYTES = 64 * 1024
/** Bulk data repeats itself after so many bytes, a prime, so that what is misplaced shows. */
const PERIOD = 65_521
const BULK_BYTES = Buffer.from(Uint8Array.from({ length: PERIOD + CHUNK_BYTES }, (_, i) => ((i % PERIOD) * 31) >> 3))
/** Begins with another byte than bulk data. */
const QUESTION = Buffer.alloc(200, 1)

const bulk = (offset: number, bytes: number): Buffer => BULK_BYTES.subarray(offset % PERIOD, (offset % PERIOD) + bytes)

/** Bulk data and calls on one connection, in both directions, for as long as one likes; every byte is looked at. */
export class Traffic {
  bytes = 0
  calls = 0
  /** The longest time without a byte of bulk data in one direction, in milliseconds. */
  byteStallMs = 0
  /** The longest time that a call took, in milliseconds. */
  callStallMs = 0
  readonly complaints: string[] = []
  readonly #work: Promise<void>
  readonly #receiving: Promise<void>[] = []
  readonly #heardAt = new Map<Connection, number>()
  #over = false

  constructor(ends: readonly Connection[], { streams, callers }: { streams: number; callers: number }) {
    for (const end of ends) {
      this.#heardAt.set(end, systemClock.monotonic())
      end.onStream = (stream) => this.#receiving.push(this.#attempt(this.#receive(stream)))
    }
    const turns = (count: number): Connection[] =>
      Array.from({ length: count }, (_, i) => ends[i % ends.length] as Connection)
    this.#work = Promise.all([
      ...turns(streams).map((end) => this.#attempt(this.#send(end))),
      ...turns(callers).map((end) => this.#attempt(this.#call(end)))
    ]).then(() => undefined)
  }

  restartClocks(): void {
    this.byteStallMs = this.callStallMs = 0
    for (const end of this.#heardAt.keys()) this.#heardAt.set(end, systemClock.monotonic())
  }

  /** Lets everything under way come to its end. */
  async stop(): Promise<void> {
    this.#over = true
    await this.#work
    await Promise.all(this.#receiving)
  }

  async #send(end: Connection): Promise<void> {
    const stream = await end.open()
    for (let offset = 0; !this.#over; offset += CHUNK_BYTES) {
      if (!stream.write(bulk(offset, CHUNK_BYTES))) {
        await new Promise<void>((resolve) => (stream.onWritable = resolve))
      }
    }
    stream.end()
    await readAll(stream)
  }

  async #call(end: Connection): Promise<void> {
    while (!this.#over) {
      const askedAt = systemClock.monotonic()
      const stream = await end.open()
      stream.end(QUESTION)
      const answer = await readAll(stream)
      if (!answer.equals(QUESTION)) this.complaints.push(`a call was answered with ${String(answer.length)} bytes`)
      this.callStallMs = Math.max(this.callStallMs, systemClock.monotonic() - askedAt)
      this.calls++
    }
  }

  async #receive(stream: Stream): Promise<void> {
    const first = await readChunk(stream)
    if (first === null) throw new Error('a stream without a byte')
    if (first[0] === QUESTION[0]) {
      stream.end(Buffer.concat([first, await readAll(stream)]))
      return
    }
    stream.end()
    let offset = 0
    for (let chunk: Uint8Array | null = first; chunk !== null; chunk = await readChunk(stream)) {
      this.#note(stream.connection, chunk.length)
      for (let at = 0; at < chunk.length; at += CHUNK_BYTES) {
        const piece = chunk.subarray(at, at + CHUNK_BYTES)
        if (bulk(offset, piece.length).compare(piece) !== 0) throw new Error(`wrong bytes from ${String(offset)} on`)
        offset += piece.length
      }
    }
  }

  #note(end: Connection, bytes: number): void {
    const now = systemClock.monotonic()
    this.bytes += bytes
    this.byteStallMs = Math.max(this.byteStallMs, now - (this.#heardAt.get(end) ?? now))
    this.#heardAt.set(end, now)
  }

  async #attempt(work: Promise<void>): Promise<void> {
    try {
      await work
    } catch (error) {
      this.complaints.push(String(error))
    }
  }
}
