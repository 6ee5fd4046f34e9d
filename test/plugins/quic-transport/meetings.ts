import type { QUICConnection } from '@matrixai/quic'
import type { Connection } from '#src/kernel/index.js'
import type { NodeId } from '#src/model/index.js'
import { idOf, makeCertificate } from './certificates.js'
import { startNode, type NodeOptions, type TestNode } from './nodes.js'
import { dialStock, startStockServer, stockConfig } from './stock.js'

/** What both sides speak (ALPN). */
export const PROTOCOL = 'interop/1'
export const ours = { quic: { protocols: [PROTOCOL] } }

/** A connection between one of our nodes and the classes. */
export interface Meeting extends AsyncDisposable {
  readonly node: TestNode
  readonly ours: Connection
  readonly theirs: QUICConnection
  readonly theirId: NodeId
}

/** Our transport dials a QUICServer. */
export async function dialThem(options: NodeOptions = {}): Promise<Meeting> {
  const certificate = await makeCertificate('Ed25519')
  const node = await startNode({ ...ours, ...options })
  let accept!: (connection: QUICConnection) => void
  const accepted = new Promise<QUICConnection>((resolve) => (accept = resolve))
  const server = await startStockServer(stockConfig(certificate, PROTOCOL), accept)
  const connection = await node.transport.dial(idOf(certificate), server.address)
  return {
    node,
    ours: connection,
    theirs: await accepted,
    theirId: idOf(certificate),
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]()
      await node.stop()
    }
  }
}

/** A QUICClient dials our transport. */
export async function dialUs(options: NodeOptions = {}): Promise<Meeting> {
  const certificate = await makeCertificate('Ed25519')
  const node = await startNode({ ...ours, ...options })
  const [client, connection] = await Promise.all([
    dialStock(node.address, stockConfig(certificate, PROTOCOL)),
    node.accepted()
  ])
  return {
    node,
    ours: connection,
    theirs: client.connection,
    theirId: idOf(certificate),
    [Symbol.asyncDispose]: async () => {
      await client[Symbol.asyncDispose]()
      await node.stop()
    }
  }
}
