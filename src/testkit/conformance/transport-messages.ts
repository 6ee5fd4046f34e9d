import assert from 'node:assert/strict'
import { writable, type Connection, type Stream } from '../../kernel/index.js'
import { failsWith } from './fails-with.js'
import { closedStream, nextStream, pattern, readAll, type SuiteContext } from './transport.js'
import { happens, until } from './until.js'

/** Turns of the event loop after which a message is taken to be lost, and sent again. */
const RESEND_TURNS = 20_000
/** More messages than may wait anywhere. */
const TOO_MANY = 200_000
const TRANSFER_BYTES = 1_000_000

/** Unreliable messages: sizes, bounds, and their share beside streams. */
export function messageTests({ connectedTest }: SuiteContext): void {
  connectedTest('carries messages both ways, each in one piece', async ({ outbound, inbound }) => {
    for (const [near, far] of [
      [outbound, inbound],
      [inbound, outbound]
    ] as const) {
      assert.ok(near.maxMessageBytes >= 1_000)
      for (const length of [1, 0, 300, near.maxMessageBytes]) {
        const seen = collect(far)
        const message = pattern(length)
        await deliver(near, message, () => seen.length > 0)
        assert.equal(Buffer.compare(seen[0] as Uint8Array, pattern(length)), 0)
      }
    }
    assert.ok(outbound.stats().sentMessages >= 4)
    assert.ok(inbound.stats().receivedMessages >= 4)
  })

  connectedTest('copies a message when it is sent', async ({ outbound, inbound }) => {
    const seen = collect(inbound)
    const message = Uint8Array.of(7)
    await deliver(outbound, message, () => seen.length > 0, true)
    assert.deepEqual([...(seen[0] ?? [])], [7])
  })

  connectedTest('refuses a message that is too long with ERR_MESSAGE_SIZE', ({ outbound }) => {
    const message = new Uint8Array(outbound.maxMessageBytes + 1)
    assert.throws(() => outbound.sendMessage(message), failsWith('ERR_MESSAGE_SIZE'))
    assert.equal(outbound.stats().sentMessages, 0)
    return Promise.resolve()
  })

  connectedTest('lets only so many messages wait to be sent, and counts the others', ({ outbound }) => {
    let taken = 0
    while (taken < TOO_MANY && outbound.sendMessage(Uint8Array.of(1))) taken++
    assert.ok(taken > 0 && taken < TOO_MANY)
    assert.equal(outbound.stats().droppedMessages, 1)
    return Promise.resolve()
  })

  connectedTest('keeps the newest messages until there is a handler, and counts the others', async (pair) => {
    const { outbound, inbound } = pair
    let sent = 0
    const send = async (): Promise<void> => {
      const message = Buffer.alloc(4)
      message.writeUInt32BE(++sent)
      while (!outbound.sendMessage(message)) await new Promise((resolve) => setImmediate(resolve))
    }
    while (inbound.stats().droppedMessages === 0 && sent < TOO_MANY) {
      await send()
      await happens(() => inbound.stats().receivedMessages >= sent, 10)
    }
    const { receivedMessages, droppedMessages } = inbound.stats()
    assert.ok(droppedMessages > 0)
    const seen = collect(inbound)
    await until(() => seen.length > 0)
    await happens(() => seen.length >= receivedMessages - droppedMessages)
    const numbers = seen.map((message) => Buffer.from(message).readUInt32BE())
    assert.ok(!numbers.includes(1))
    // Without a handler again, they wait again.
    inbound.onMessage = undefined
    const before = seen.length
    const received = inbound.stats().receivedMessages
    await deliver(outbound, Uint8Array.of(9), () => inbound.stats().receivedMessages > received)
    assert.equal(seen.length, before)
  })

  connectedTest('gives messages their share beside a transfer that never ends', async (pair) => {
    const { outbound, inbound } = pair
    const drained = nextStream(inbound).then(discard)
    const bulk = await outbound.open()
    pour(bulk)
    inbound.onMessage = (message) => void inbound.sendMessage(message)
    const answers = collect(outbound)
    for (let i = 0; i < 50; i++) {
      await deliver(outbound, Uint8Array.of(i), () => answers.at(-1)?.[0] === i)
    }
    bulk.reset(1)
    await drained
  })

  connectedTest('gives a transfer its share beside messages without end', async (pair) => {
    const { outbound, inbound } = pair
    inbound.onMessage = () => undefined
    const message = new Uint8Array(outbound.maxMessageBytes)
    let over = false
    const flood = async (): Promise<void> => {
      while (!over) {
        while (outbound.sendMessage(message));
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
    const flooding = flood()
    const received = nextStream(inbound).then(readAll)
    const stream = await outbound.open()
    stream.end(pattern(TRANSFER_BYTES))
    assert.equal((await received).length, TRANSFER_BYTES)
    over = true
    await flooding
  })

  connectedTest('survives a handler of messages that throws', async ({ outbound, inbound }) => {
    let calls = 0
    inbound.onMessage = () => {
      calls++
      throw new Error('thrown by the handler of messages')
    }
    await deliver(outbound, Uint8Array.of(1), () => calls > 0)
    const seen = collect(inbound)
    await deliver(outbound, Uint8Array.of(2), () => seen.some(([first]) => first === 2))
  })

  connectedTest('takes and gives no message once it is closed', async ({ outbound, inbound }) => {
    const seen: Uint8Array[] = []
    inbound.onMessage = (message) => {
      seen.push(message)
      inbound.close()
    }
    while (outbound.closeInfo === undefined) {
      outbound.sendMessage(Uint8Array.of(seen.length))
      await happens(() => outbound.closeInfo !== undefined, 100)
    }
    assert.equal(seen.length, 1)
    assert.equal(outbound.maxMessageBytes, 0)
    assert.throws(() => outbound.sendMessage(Uint8Array.of(1)), failsWith('ERR_CONNECTION_CLOSED'))
  })
}

/** What arrives from now on. */
function collect(connection: Connection): Uint8Array[] {
  const seen: Uint8Array[] = []
  connection.onMessage = (message) => void seen.push(message)
  return seen
}

/** Sends a message until it has arrived: it may be lost. With `spoil` the caller's bytes are changed after each send. */
async function deliver(
  connection: Connection,
  message: Uint8Array,
  arrived: () => boolean,
  spoil = false
): Promise<void> {
  for (let tries = 0; tries < 20; tries++) {
    const bytes = spoil ? message.slice() : message
    connection.sendMessage(bytes)
    if (spoil) bytes.fill(0xff)
    if (await happens(arrived, RESEND_TURNS)) return
  }
  throw new Error('no message arrives')
}

/** Writes for as long as the stream lives. */
function pour(stream: Stream): void {
  const chunk = new Uint8Array(64 * 1024)
  const run = async (): Promise<void> => {
    for (;;) if (!stream.write(chunk)) await writable(stream)
  }
  run().catch(() => undefined)
}

/** Reads for as long as there is something. */
async function discard(stream: Stream): Promise<void> {
  const read = (): void => {
    try {
      while (stream.read() instanceof Uint8Array);
    } catch {
      stream.stop(1)
      stream.reset(1)
    }
  }
  stream.onReadable = read
  read()
  await closedStream(stream)
}
