import { events, type QUICConnection } from '@matrixai/quic'
import { expect } from 'chai'
import { chunksOf, CloseCode, PeerloomError, type Certificate, type Stream } from '#src/kernel/index.js'
import { NodeId } from '#src/model/index.js'
import { isLongHeader, QUIC_VERSION, readLongHeader } from '#src/plugins/quic-transport/packet.js'
import { idOf, makeCertificate } from './certificates.js'
import { dialThem, dialUs, ours, PROTOCOL, type Meeting } from './meetings.js'
import { startNode } from './nodes.js'
import { dialStock, nextStockStream, startStockServer, stockConfig, type StockConfig } from './stock.js'
import { tapped } from './wraps.js'

const stranger = NodeId.fromBytes(new Uint8Array(32).fill(7))
/** One of those that are reserved for such exercises (RFC 9000 §15). */
const FOREIGN_VERSION = 0x1a2a3a4a
const VERSION_OFFSET = 1
const RETRY = 0xf0
/** TLS's alerts bad_certificate and certificate_required (RFC 8446 §6.2), as QUIC's errors (RFC 9001 §4.8). */
const BAD_CERTIFICATE = 0x100 + 42
const CERTIFICATE_REQUIRED = 0x100 + 116

/** Makes the first datagram that passes one of a version that nobody speaks. */
function foreignFirst(): (data: Uint8Array) => true {
  let passed = 0
  return (data) => {
    if (passed++ === 0) new DataView(data.buffer, data.byteOffset).setUint32(VERSION_OFFSET, FOREIGN_VERSION)
    return true
  }
}

/** A word there and back. */
async function talk({ ours, theirs }: Meeting): Promise<void> {
  const arrived = nextStockStream(theirs)
  const stream = await ours.open()
  stream.end(Buffer.from('hello'))
  const far = await arrived
  await far.readable.pipeTo(far.writable)
  const chunks: Uint8Array[] = []
  for await (const chunk of chunksOf(stream)) chunks.push(chunk)
  expect(Buffer.concat(chunks).toString()).to.equal('hello')
}

async function failure(work: () => unknown): Promise<PeerloomError> {
  try {
    await work()
  } catch (error) {
    expect(error).to.be.instanceOf(PeerloomError)
    return error as PeerloomError
  }
  throw new Error('it did not fail')
}

/** How a client that we should have nothing to do with fares: no connection, or the transport error that ends it. */
async function refusal(config: Partial<StockConfig>): Promise<unknown> {
  await using node = await startNode(ours)
  const streams: Stream[] = []
  node.transport.onConnection = (connection) => (connection.onStream = (stream) => streams.push(stream))
  let outcome: unknown = 'no connection'
  try {
    // It takes itself for connected before we have seen its certificate.
    await using client = await dialStock(node.address, config)
    await client.connection.closedP
    outcome = client.connection.getConnectionError()
  } catch {
    // It was not connected.
  }
  expect(streams).to.deep.equal([])
  expect(node.transport.stats()).to.deep.include({ connections: 0, handshakes: 0 })
  return outcome
}

describe('a handshake with @matrixai/quic', function () {
  this.timeout(20_000)

  it('goes on after its server has refused our version', async () => {
    const versions: number[] = []
    const receive = (data: Uint8Array): true => {
      if (isLongHeader(data)) versions.push(readLongHeader(data)?.version ?? NaN)
      return true
    }
    await using meeting = await dialThem({ wrap: tapped({ send: foreignFirst(), receive }) })
    // 0 is version negotiation.
    expect(versions.slice(0, 2)).to.deep.equal([0, QUIC_VERSION])
    await talk(meeting)
  })

  it('goes on after we have refused the version of its client', async () => {
    const versions: number[] = []
    const send = (data: Uint8Array): true => {
      if (isLongHeader(data)) versions.push(readLongHeader(data)?.version ?? NaN)
      return true
    }
    await using meeting = await dialUs({ wrap: tapped({ receive: foreignFirst(), send }) })
    expect(versions.slice(0, 2)).to.deep.equal([0, QUIC_VERSION])
    expect(meeting.node.transport.stats().dropped['unknown version']).to.equal(1)
    await talk(meeting)
  })

  it('proves our address when its server asks for that', async () => {
    let retries = 0
    const receive = (data: Uint8Array): true => {
      if (((data[0] ?? 0) & RETRY) === RETRY) retries++
      return true
    }
    await using meeting = await dialThem({ wrap: tapped({ receive }) })
    expect(retries).to.equal(1)
    await talk(meeting)
  })

  it('ends with BAD_PEER where its server is another node than the one dialled', async () => {
    const certificate = await makeCertificate('Ed25519')
    await using node = await startNode(ours)
    let told!: (error: unknown) => void
    const heard = new Promise((resolve) => (told = resolve))
    const onConnection = (connection: QUICConnection): void => {
      connection.addEventListener(events.EventQUICConnectionClose.name, () => told(connection.getConnectionError()))
    }
    await using server = await startStockServer(stockConfig(certificate, PROTOCOL), onConnection)
    expect((await failure(() => node.transport.dial(stranger, server.address))).code).to.equal('ERR_PEER_MISMATCH')
    expect(await heard).to.include({ isApp: true, errorCode: CloseCode.BAD_PEER })
    expect(node.transport.stats()).to.deep.include({ connections: 0, handshakes: 0 })
  })

  it('fails where the certificate of its server proves no node id', async () => {
    await using server = await startStockServer(stockConfig(await makeCertificate('ECDSA'), PROTOCOL), () => undefined)
    await using node = await startNode(ours)
    expect((await failure(() => node.transport.dial(stranger, server.address))).code).to.equal('ERR_PEER_MISMATCH')
  })

  it('fails where the certificate of its client proves no node id', async () => {
    expect(await refusal(stockConfig(await makeCertificate('ECDSA'), PROTOCOL))).to.equal('no connection')
  })

  it('ends with an alert where its client has no certificate', async () => {
    const { cert, key, ...nameless } = stockConfig(await makeCertificate('Ed25519'), PROTOCOL)
    expect([cert, key]).not.to.include(undefined)
    expect(await refusal(nameless)).to.include({ isApp: false, errorCode: CERTIFICATE_REQUIRED })
  })

  it('fails where its client refuses us', async () => {
    const certificate = await makeCertificate('Ed25519')
    const verifyCallback = (): Promise<number> => Promise.resolve(BAD_CERTIFICATE)
    expect(await refusal({ ...stockConfig(certificate, PROTOCOL), verifyCallback })).to.equal('no connection')
  })

  for (const [who, dial] of [
    ['its server', dialOther],
    ['its client', dialedByOther]
  ] as const) {
    it(`fails where ${who} speaks another protocol`, async () => {
      await dial(await makeCertificate('Ed25519'))
    })
  }
})

async function dialOther(certificate: Certificate): Promise<void> {
  await using server = await startStockServer(stockConfig(certificate, 'other/1'), () => undefined)
  await using node = await startNode(ours)
  const error = await failure(() => node.transport.dial(idOf(certificate), server.address))
  expect(error.code).to.equal('ERR_DIAL')
  expect(error.message).to.contain('protocols')
}

async function dialedByOther(certificate: Certificate): Promise<void> {
  expect(await refusal(stockConfig(certificate, 'other/1'))).to.equal('no connection')
}
