import { startNode } from '../plugins/quic-transport/nodes.js'
import { tapped } from '../plugins/quic-transport/wraps.js'

/** The first datagram of a client that nobody answers. */
export async function firstInitial(): Promise<Uint8Array> {
  const sent: Uint8Array[] = []
  await using client = await startNode({ wrap: tapped({ send: (data) => sent.push(Uint8Array.from(data)) < 0 }) })
  const controller = new AbortController()
  const dial = client.transport.dial(client.id, { host: '127.0.0.1', port: 9 }, { signal: controller.signal })
  while (sent.length === 0) await new Promise((resolve) => setImmediate(resolve))
  controller.abort()
  await dial.catch(() => undefined)
  return sent[0]!
}
