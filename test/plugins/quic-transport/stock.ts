import { createHmac, randomBytes, randomFillSync, timingSafeEqual } from 'node:crypto'
import { events, QUICClient, QUICServer, QUICSocket, type QUICConnection, type QUICStream } from '@matrixai/quic'
import type { Certificate } from '#src/kernel/index.js'
import type { Address } from '#src/model/index.js'

/** What the classes of @matrixai/quic are told beside their defaults. */
export type StockConfig = ConstructorParameters<typeof QUICServer>[0]['config']

const HANDSHAKE_TIMEOUT_MS = 10_000

type StockLogger = NonNullable<ConstructorParameters<typeof QUICSocket>[0]['logger']>

/** It would tell every step on the console. */
const silent = {
  getChild: () => silent,
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined
} as unknown as StockLogger

/** Errors of streams are their codes, and nothing else. */
const codes = {
  reasonToCode: (_: unknown, reason?: unknown) => (typeof reason === 'number' ? reason : 0),
  codeToReason: (_: unknown, code: number) => code
}

/** A configuration with mutual TLS, where whoever proves a key is welcome. */
export function stockConfig({ certificatePem, privateKeyPem }: Certificate, protocol: string): StockConfig {
  return {
    cert: certificatePem,
    key: privateKeyPem,
    verifyPeer: true,
    verifyCallback: () => Promise.resolve(undefined),
    applicationProtos: [protocol],
    maxIdleTimeout: 30_000
  }
}

/** A QUICServer on loopback. */
export async function startStockServer(
  config: StockConfig,
  onConnection: (connection: QUICConnection) => void
): Promise<{ address: Address } & AsyncDisposable> {
  const socket = await openSocket()
  const server = new QUICServer({
    crypto: { key: arrayBuffer(randomBytes(32)), ops: { sign: (...args) => Promise.resolve(sign(...args)), verify } },
    config,
    socket,
    logger: silent,
    ...codes
  })
  server.addEventListener(events.EventQUICServerConnection.name, ({ detail }: { detail: QUICConnection }) => {
    onConnection(detail)
  })
  await server.start()
  return {
    address: { host: '127.0.0.1', port: socket.port },
    [Symbol.asyncDispose]: async () => {
      await server.stop({ force: true })
      await socket.stop({ force: true })
    }
  }
}

/** Dials with a QUICClient. Rejects as it does. */
export async function dialStock(
  { host, port }: Address,
  config: Partial<StockConfig>
): Promise<{ connection: QUICConnection } & AsyncDisposable> {
  const socket = await openSocket()
  try {
    const client = await QUICClient.createQUICClient(
      {
        host,
        port,
        socket,
        crypto: { ops: { randomBytes: (data) => Promise.resolve(void randomFillSync(new Uint8Array(data))) } },
        config,
        logger: silent,
        ...codes
      },
      { timer: HANDSHAKE_TIMEOUT_MS }
    )
    return {
      connection: client.connection,
      [Symbol.asyncDispose]: async () => {
        await client.destroy({ force: true })
        await socket.stop({ force: true })
      }
    }
  } catch (error) {
    await socket.stop({ force: true })
    throw error
  }
}

/** The next stream that the other side opens. */
export function nextStockStream(connection: QUICConnection): Promise<QUICStream> {
  return new Promise((resolve) => {
    connection.addEventListener(
      events.EventQUICConnectionStream.name,
      ({ detail }: { detail: QUICStream }) => {
        resolve(detail)
      },
      { once: true }
    )
  })
}

async function openSocket(): Promise<QUICSocket> {
  const socket = new QUICSocket({ logger: silent })
  await socket.start({ host: '127.0.0.1', port: 0 })
  return socket
}

function sign(key: ArrayBuffer, data: ArrayBuffer): ArrayBuffer {
  return arrayBuffer(createHmac('sha256', new Uint8Array(key)).update(new Uint8Array(data)).digest())
}

function verify(key: ArrayBuffer, data: ArrayBuffer, signature: ArrayBuffer): Promise<boolean> {
  return Promise.resolve(timingSafeEqual(new Uint8Array(sign(key, data)), new Uint8Array(signature)))
}

function arrayBuffer(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer
}
