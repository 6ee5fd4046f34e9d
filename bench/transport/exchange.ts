import type { Duct } from './contender.js'

/** A request: its kind, and how many bytes follow it. An answer: a number. */
const REQUEST_BYTES = 9
const ANSWER_BYTES = 8
const COUNT = 0
const MEMORY = 1
const CHUNK_BYTES = 64 * 1024
const chunk = Buffer.alloc(CHUNK_BYTES, 'peerloom')

/** What a process holds, in bytes, with garbage collected. */
export function memory(): number {
  // Twice, since what finalizers let go of is found at the next time.
  globalThis.gc?.()
  globalThis.gc?.()
  return process.memoryUsage().rss
}

/** Serves: takes in as many bytes as were announced and then answers, with their number or with the memory held. */
export function answer(duct: Duct): void {
  const request = Buffer.alloc(REQUEST_BYTES)
  let got = 0
  let wanted = Infinity
  duct.onData = (chunk) => {
    if (got < REQUEST_BYTES) request.set(chunk.subarray(0, REQUEST_BYTES - got), got)
    got += chunk.length
    if (wanted === Infinity && got >= REQUEST_BYTES) wanted = REQUEST_BYTES + Number(request.readBigUInt64BE(1))
    if (got < wanted) return
    const said = Buffer.alloc(ANSWER_BYTES)
    said.writeBigUInt64BE(BigInt(request[0] === MEMORY ? memory() : got - REQUEST_BYTES))
    duct.write(said)
    duct.end()
    // Where a connection is but one duct, the next request comes over it.
    got = 0
    wanted = Infinity
  }
}

/** Sends `bytes` bytes and waits until the other side has all of them; rejects if it has not. */
export async function send(duct: Duct, bytes: number): Promise<void> {
  const received = await ask(duct, COUNT, bytes)
  if (received !== bytes) throw new Error(`${received} bytes arrived of ${bytes}`)
}

/** The memory that the other side holds. */
export const memoryOf = (duct: Duct): Promise<number> => ask(duct, MEMORY, 0)

async function ask(duct: Duct, kind: number, bytes: number): Promise<number> {
  const answered = new Promise<number>((resolve) => {
    const said = Buffer.alloc(ANSWER_BYTES)
    let got = 0
    duct.onData = (chunk) => {
      said.set(chunk.subarray(0, ANSWER_BYTES - got), got)
      got += chunk.length
      if (got >= ANSWER_BYTES) resolve(Number(said.readBigUInt64BE()))
    }
  })
  const request = Buffer.alloc(REQUEST_BYTES)
  request[0] = kind
  request.writeBigUInt64BE(BigInt(bytes), 1)
  if (!duct.write(request)) await duct.drained()
  for (let sent = 0; sent < bytes; sent += CHUNK_BYTES) {
    if (!duct.write(bytes - sent < CHUNK_BYTES ? chunk.subarray(0, bytes - sent) : chunk)) await duct.drained()
  }
  const received = await answered
  duct.end()
  return received
}
