import 'reflect-metadata'
import { createHmac, randomFillSync, timingSafeEqual, webcrypto } from 'node:crypto'
import Logger, { LogLevel } from '@matrixai/logger'
import { events, QUICClient, QUICServer, QUICSocket } from '@matrixai/quic'
import * as x509 from '@peculiar/x509'

const logger = new Logger('bench', LogLevel.SILENT, [])
const HANDSHAKE_TIMEOUT_MS = 15_000
/** The fewest bytes that its windows must have not to be what limits it. */
const WINDOW_BYTES = 16 * 2 ** 20

export async function serve(settings, accept) {
  return JSON.stringify(await listen(settings, (stream) => accept(ductOf(stream))))
}

/** Gives every stream that others open to `take`. Returns the port. */
export async function listen(settings, take) {
  const key = webcrypto.getRandomValues(new Uint8Array(32)).buffer
  const server = new QUICServer({
    crypto: { key, ops: { sign: async (...args) => sign(...args), verify } },
    config: await configOf(settings),
    socket: await openSocket(),
    logger
  })
  server.addEventListener(events.EventQUICServerConnection.name, ({ detail: connection }) => {
    connection.addEventListener(events.EventQUICConnectionStream.name, ({ detail }) => take(detail))
  })
  await server.start()
  return server.port
}

export async function client(where, settings) {
  const connect = await dialler(JSON.parse(where), settings)
  return async () => {
    const client = await connect()
    return {
      open: async () => ductOf(client.connection.newStream('bidi')),
      close: () => client.destroy({ force: true })
    }
  }
}

/** A client, which connects to a port of this machine each time that it is asked to. */
export async function dialler(port, settings) {
  const [socket, config] = await Promise.all([openSocket(), configOf(settings)])
  const crypto = { ops: { randomBytes: async (data) => void randomFillSync(new Uint8Array(data)) } }
  return () =>
    QUICClient.createQUICClient(
      { host: '127.0.0.1', port, socket, crypto, config, logger },
      { timer: HANDSHAKE_TIMEOUT_MS }
    )
}

async function openSocket() {
  const socket = new QUICSocket({ logger })
  await socket.start({ host: '127.0.0.1', port: 0 })
  return socket
}

async function configOf({ datagramBytes, maxStreams }) {
  return {
    ...(await makeCertificate()),
    verifyPeer: true,
    verifyCallback: async () => undefined,
    maxIdleTimeout: 60_000,
    initialMaxData: WINDOW_BYTES,
    initialMaxStreamDataBidiLocal: WINDOW_BYTES / 2,
    initialMaxStreamDataBidiRemote: WINDOW_BYTES / 2,
    ...(maxStreams === undefined ? {} : { initialMaxStreamsBidi: maxStreams }),
    ...(datagramBytes === undefined ? {} : { maxSendUdpPayloadSize: datagramBytes })
  }
}

async function makeCertificate() {
  x509.cryptoProvider.set(webcrypto)
  const keys = await webcrypto.subtle.generateKey({ name: 'Ed25519' }, true, ['sign', 'verify'])
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=bench',
    notBefore: new Date(Date.now() - 3_600_000),
    notAfter: new Date(Date.now() + 86_400_000),
    signingAlgorithm: { name: 'Ed25519' },
    keys
  })
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
  return {
    cert: certificate.toString('pem'),
    key: `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`
  }
}

function sign(key, data) {
  const digest = createHmac('sha256', new Uint8Array(key)).update(new Uint8Array(data)).digest()
  return new Uint8Array(digest).buffer
}

async function verify(key, data, signature) {
  return timingSafeEqual(new Uint8Array(sign(key, data)), new Uint8Array(signature))
}

function ductOf({ readable, writable }) {
  const writer = writable.getWriter()
  const duct = {
    write(chunk) {
      writer.write(chunk).catch(() => undefined)
      return writer.desiredSize > 0
    },
    drained: () => writer.ready,
    onData: () => undefined,
    end: () => void writer.close().catch(() => undefined)
  }
  void read(readable, duct).catch(() => undefined)
  return duct
}

async function read(readable, duct) {
  for await (const chunk of readable) duct.onData(chunk)
}
