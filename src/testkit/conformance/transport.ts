import { readChunk, type CloseInfo, type Connection, type Stream, type Transport } from '../../kernel/index.js'
import type { Address, NodeId } from '../../model/index.js'
import { connectionTests } from './transport-connections.js'
import { drainTests } from './transport-drain.js'
import { messageTests } from './transport-messages.js'
import { streamTests } from './transport-streams.js'
import type { TestRunner } from './runner.js'

/** One node of a pair. */
export interface TransportEnd {
  readonly transport: Transport
  readonly id: NodeId
  /** Where the other node dials it. */
  readonly address: Address
  /** Stops this node alone, as `kernel.stop()` does. */
  stop(): Promise<void>
}

/** Two nodes that can reach each other. */
export interface TransportPair {
  readonly a: TransportEnd
  readonly b: TransportEnd
  /** An address at which nobody answers. */
  readonly nowhere: Address
  /** A node id that neither of them has. */
  readonly stranger: NodeId
  /** Stops both; harmless where one has stopped already. */
  stop(): Promise<void>
}

export interface TransportConformanceOptions extends TestRunner {
  readonly name: string
  /**
   * Makes a fresh pair in real time; it is asked for before each test. A drain must have time enough for 300 kB on a busy
   * machine, and a test waits until that time is over: a second or two.
   */
  readonly createPair: () => Promise<TransportPair>
  /** Streams that each node of a pair lets the other open at once. Small, since a test opens them all. */
  readonly maxStreams: number
}

/** A pair with a connection between them, as both ends see it. */
export interface ConnectedPair extends TransportPair {
  readonly outbound: Connection
  readonly inbound: Connection
}

/** How a part of the suite registers its tests. */
export interface SuiteContext {
  readonly maxStreams: number
  /** A test with a fresh pair. */
  readonly pairTest: (title: string, body: (pair: TransportPair) => Promise<void>) => void
  /** A test with a fresh pair, `a` having dialled `b`. */
  readonly connectedTest: (title: string, body: (pair: ConnectedPair) => Promise<void>) => void
}

/**
 * Registers a test for each promise of the Transport contract.
 *
 * @example
 * transportConformance({ name: 'my-transport', maxStreams: 16, createPair, describe, it })
 */
export function transportConformance(options: TransportConformanceOptions): void {
  const pairTest: SuiteContext['pairTest'] = (title, body) => {
    options.it(title, async () => {
      const pair = await options.createPair()
      try {
        await body(pair)
      } finally {
        await pair.stop()
      }
    })
  }
  const connectedTest: SuiteContext['connectedTest'] = (title, body) => {
    pairTest(title, async (pair) => {
      await body({ ...pair, ...(await connect(pair)) })
    })
  }
  const context = { maxStreams: options.maxStreams, pairTest, connectedTest }
  options.describe(`${options.name} fulfils Transport`, () => {
    connectionTests(context)
    streamTests(context)
    messageTests(context)
    drainTests(context)
  })
}

/** `a` dials `b`. */
export async function connect({
  a,
  b
}: Pick<TransportPair, 'a' | 'b'>): Promise<{ outbound: Connection; inbound: Connection }> {
  const accepted = nextConnection(b.transport)
  const outbound = await a.transport.dial(b.id, b.address)
  return { outbound, inbound: await accepted }
}

export function nextConnection(transport: Transport): Promise<Connection> {
  return new Promise((resolve) => (transport.onConnection = resolve))
}

export function nextStream(connection: Connection): Promise<Stream> {
  return new Promise((resolve) => (connection.onStream = resolve))
}

/** A stream that the dialler opened and wrote these bytes on, as both ends see it. */
export async function openStream(
  { outbound, inbound }: ConnectedPair,
  first = Uint8Array.of(1)
): Promise<{ near: Stream; far: Stream }> {
  const accepted = nextStream(inbound)
  const near = await outbound.open()
  near.write(first)
  return { near, far: await accepted }
}

/** All bytes up to the end of input. */
export async function readAll(stream: Stream): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for (let chunk = await readChunk(stream); chunk !== null; chunk = await readChunk(stream)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** Sends everything back, with backpressure, and the end after it. */
export async function echo(stream: Stream): Promise<void> {
  stream.end(await readAll(stream))
}

/** Resolves when `closed` is true. */
export function closedStream(stream: Stream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.closed) resolve()
    else stream.onClosed = resolve
  })
}

/** What matters of how a connection ended. */
export function outcome({ code, reason, by }: CloseInfo): unknown {
  return { code, reason, by }
}

/** Bytes in which a lost, doubled or misplaced piece shows. */
export function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8) * 17 + (i >> 16)) & 0xff)
}
