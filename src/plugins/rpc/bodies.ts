import { InvalidInputError, type AnyIterable } from '../../kernel/index.js'
import { FRAME_HEADER_BYTES, frameHeader, FrameType, MAX_DATA_BYTES } from './frames.js'
import { isThenable, iteratorOf } from './item-iterator.js'

/** Below this, bytes are copied behind their header rather than sent on their own. */
const COPY_BELOW_BYTES = 4096

/** The bytes of a raw call, as they are read. */
export class Body {
  readonly stream: ReadableStream<Uint8Array>
  /** Resolves when the bytes have ended, or are no longer wanted. */
  readonly ended: Promise<void>
  #controller!: ReadableByteStreamController
  #finish!: () => void
  #open = true

  /**
   * @param next the next bytes, `null` at their end
   * @param cancel called when the reader wants no more
   */
  constructor(next: () => Promise<Uint8Array | null>, cancel: () => void) {
    this.ended = new Promise((resolve) => {
      this.#finish = resolve
    })
    this.stream = new ReadableStream({
      type: 'bytes',
      start: (controller) => {
        this.#controller = controller
      },
      pull: async () => {
        try {
          const bytes = await next()
          if (!this.#open) return
          // A byte stream takes the memory of what it is given, which here belongs to the transport.
          if (bytes === null) this.#close()
          else this.#controller.enqueue(new Uint8Array(bytes))
        } catch (error) {
          this.fail(error)
        }
      },
      cancel: () => {
        this.#open = false
        cancel()
        this.#finish()
      }
    })
  }

  /** Ends the stream with an error. */
  fail(error: unknown): void {
    if (!this.#open) return
    this.#open = false
    this.#controller.error(error)
    this.#finish()
  }

  #close(): void {
    this.#open = false
    this.#controller.close()
    // A reader that brought its own buffer gets it back empty.
    this.#controller.byobRequest?.respond(0)
    this.#finish()
  }
}

/** Where the frames of a body go. */
export interface BodySink {
  /** Sends bytes; resolves, or returns nothing, when there is room for more. */
  send(bytes: Uint8Array): Promise<void> | undefined
  /** Waits for the next chunk no longer than the call lasts. */
  during<T>(work: PromiseLike<T>): Promise<T>
}

/** Sends all chunks, in DATA frames unless told otherwise, without the end. Leaves the source early if sending fails. */
export async function sendBody(sink: BodySink, source: AnyIterable<Uint8Array>, send = sendData): Promise<void> {
  await forEach(sink, source, async (chunk) => {
    if (!(chunk instanceof Uint8Array)) throw new InvalidInputError('the body of a raw call is bytes (Uint8Array) only')
    for (let at = 0; at < chunk.length; at += MAX_DATA_BYTES) {
      await send(sink, chunk.subarray(at, at + MAX_DATA_BYTES))
    }
  })
}

function sendData(sink: BodySink, bytes: Uint8Array): Promise<void> | undefined {
  const header = frameHeader(FrameType.DATA, bytes.length, false)
  if (bytes.length < COPY_BELOW_BYTES)
    return sink.send(Buffer.concat([header, bytes], FRAME_HEADER_BYTES + bytes.length))
  void sink.send(header)
  return sink.send(bytes)
}

/** Runs `work` for each value of a source, and tells the source when that ends early. */
export async function forEach<T>(
  sink: Pick<BodySink, 'during'>,
  source: AnyIterable<T>,
  work: (value: T) => Promise<void> | undefined
): Promise<void> {
  const iterator = iteratorOf(source)
  let done: boolean | undefined = false
  try {
    for (;;) {
      const step = iterator.next()
      const result = isThenable(step) ? await sink.during(step) : step
      done = result.done
      if (result.done === true) return
      const sent = work(result.value)
      if (sent !== undefined) await sent
    }
  } finally {
    if (done !== true) leave(sink, iterator)
  }
}

/** Tells the source of an answer's bytes that nobody will read them. */
export function leaveUnread(sink: Pick<BodySink, 'during'>, answer: unknown): void {
  void Promise.resolve(answer)
    .then((given) => {
      const { body } = (given ?? {}) as { body?: AnyIterable<unknown> }
      if (body !== undefined) leave(sink, iteratorOf(body))
    })
    .catch(() => undefined)
}

function leave(sink: Pick<BodySink, 'during'>, iterator: AsyncIterator<unknown> | Iterator<unknown>): void {
  try {
    const left = iterator.return?.()
    // How a source takes its end is nothing that the call could still tell anyone.
    if (isThenable(left)) sink.during(left).catch(() => undefined)
  } catch {
    // the same
  }
}
