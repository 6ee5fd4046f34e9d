import { PeerloomError } from '../../model/index.js'
import { CloseCode, type Stream } from './transport.js'

/** Waits until the stream's reader has something new to say. */
function readable(stream: Stream): Promise<void> {
  return new Promise((resolve) => {
    stream.onReadable = () => {
      stream.onReadable = undefined
      resolve()
    }
  })
}

/** Waits until a stream whose `write` returned false takes more, or has failed. */
export function writable(stream: Stream): Promise<void> {
  return new Promise((resolve) => {
    stream.onWritable = () => {
      stream.onWritable = undefined
      resolve()
    }
  })
}

/** The next chunk, or `null` at the end of input. Rejects as `stream.read` throws. */
export async function readChunk(stream: Stream): Promise<Uint8Array | null> {
  for (;;) {
    const chunk = stream.read()
    if (chunk !== undefined) return chunk
    await readable(stream)
  }
}

/** Writes with backpressure: resolves when the stream takes more. Rejects as `stream.write` throws. */
export async function writeChunk(stream: Stream, chunk: Uint8Array): Promise<void> {
  if (!stream.write(chunk)) await writable(stream)
}

/** The chunks of a stream. Leaving the loop early asks the peer to stop sending. */
export async function* chunksOf(stream: Stream): AsyncGenerator<Uint8Array, void, void> {
  let ended = false
  try {
    for (let chunk = await readChunk(stream); chunk !== null; chunk = await readChunk(stream)) yield chunk
    ended = true
  } catch (error) {
    ended = true
    throw error
  } finally {
    if (!ended) stream.stop(CloseCode.CANCELLED)
  }
}

/**
 * A stream as WHATWG streams. They buffer nothing of their own. Cancelling the readable stops the peer's sending;
 * aborting the writable resets our side. A numeric reason is used as the code.
 */
export function webStreams(stream: Stream): {
  readable: ReadableStream<Uint8Array>
  writable: WritableStream<Uint8Array>
} {
  const codeOf = (reason: unknown): number => (typeof reason === 'number' ? reason : CloseCode.CANCELLED)
  return {
    readable: new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          const chunk = await readChunk(stream)
          if (chunk === null) controller.close()
          else controller.enqueue(chunk)
        },
        cancel(reason) {
          stream.stop(codeOf(reason))
        }
      },
      { highWaterMark: 0 }
    ),
    writable: new WritableStream<Uint8Array>({
      async write(chunk) {
        if (!(chunk instanceof Uint8Array)) {
          stream.reset(CloseCode.INTERNAL)
          throw new PeerloomError('ERR_INVALID_INPUT', 'a stream carries bytes (Uint8Array) only')
        }
        await writeChunk(stream, chunk)
      },
      close() {
        stream.end()
      },
      abort(reason) {
        stream.reset(codeOf(reason))
      }
    })
  }
}
