import { CloseCode, readChunk, type Connection, type Stream } from '#src/kernel/index.js'
import type { QuicConnection } from '#src/plugins/quic-transport/connection.js'
import { identity } from '#src/plugins/identity/index.js'
import { startNode, type NodeOptions, type TestNode } from './nodes.js'

/** The same node again and again, by its seed. */
export function startKnown(seed: number, options: NodeOptions = {}): Promise<TestNode> {
  return startNode({ identity: identity.with({ seed: new Uint8Array(32).fill(seed) }), ...options })
}

/** Whether the handshake was shortened by a ticket. */
export function isResumed(connection: Connection): boolean {
  return (connection as unknown as Pick<QuicConnection, 'native'>).native.isResumed()
}

export async function textOf(stream: Stream): Promise<string> {
  let text = ''
  for (let chunk = await readChunk(stream); chunk !== null; chunk = await readChunk(stream)) {
    text += Buffer.from(chunk).toString()
  }
  return text
}

/** Answers every stream with what it says. */
export function echo(connection: Connection): void {
  connection.onStream = (stream) => {
    void textOf(stream).then(
      (text) => {
        stream.end(Buffer.from(text))
      },
      () => undefined
    )
  }
}

export async function ask(connection: Connection, text: string): Promise<string> {
  const stream = await connection.open()
  stream.end(Buffer.from(text))
  return textOf(stream)
}

/** Connects, exchanges something, which brings the ticket, and closes. Tells whether each side was spared certificates. */
export async function meet(a: TestNode, b: TestNode): Promise<[boolean, boolean]> {
  const [out, inward] = await Promise.all([a.transport.dial(b.id, b.address), b.accepted()])
  echo(inward)
  await ask(out, 'hello')
  const resumed: [boolean, boolean] = [isResumed(out), isResumed(inward)]
  out.close(CloseCode.OK)
  await inward.closed
  return resumed
}
